import { z } from 'zod'

type Tree = Readonly<Record<string, unknown>>
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

type Shape = z.core.JSONSchema.BaseSchema

const inside = (shape: Shape | undefined, key: string): Shape | undefined => {
  const inner = shape?.properties?.[key]
  return typeof inner === 'object' ? inner : undefined
}

/**
 * A configuration with what the environment says laid over it: with the prefix `STOX_EDGE__`, `STOX_EDGE__XMPP__LISTEN`
 * is `xmpp.listen`. Names are compared without case and underscores. Lists are written with commas, or as JSON.
 */
export function withEnvironment(
  tree: unknown,
  env: Readonly<Record<string, string | undefined>>,
  prefix: string,
  schema: z.ZodType,
): unknown {
  if (!isTree(tree)) return tree
  const shape = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(env).reduce<Tree>((laid, [name, value]) => {
    if (value === undefined || !name.startsWith(prefix)) return laid
    return lay(laid, name.slice(prefix.length).split('__'), value, shape)
  }, tree)
}

const folded = (name: string): string => name.replaceAll('_', '').toLowerCase()

function lay(tree: Tree, [first = '', ...rest]: readonly string[], value: string, shape: Shape | undefined): Tree {
  const known = Object.keys(shape?.properties ?? {}).find((key) => folded(key) === folded(first))
  // An unknown name is laid as it is, so that the check names it.
  const key = known ?? first.toLowerCase()
  const inner = inside(shape, key)
  const branch = tree[key]
  return {
    ...tree,
    [key]: rest.length === 0 ? read(value, inner) : lay(isTree(branch) ? branch : {}, rest, value, inner),
  }
}

function read(value: string, shape: Shape | undefined): unknown {
  if (shape?.type === 'string') return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    if (shape?.type !== 'array') return value
    return value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
  }
}
