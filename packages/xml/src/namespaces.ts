import type { Element } from 'ltx'

export const NS_XML = 'http://www.w3.org/XML/1998/namespace'
const NS_XMLNS = 'http://www.w3.org/2000/xmlns/'

/** Prefixes in force, nearest first by the prototype chain; nothing of `Object.prototype` is in it. */
export type Scope = { [prefix: string]: string }

export const OUTERMOST: Scope = Object.freeze(Object.assign(Object.create(null) as Scope, { xml: NS_XML }))

/**
 * The scope inside an element; a sentence when what it declares is not allowed.
 * `qualified` are the names of its attributes that have a prefix. @see XML Names §3
 */
export function declareIn(
  scope: Scope,
  attrs: Element['attrs'],
  qualified: readonly string[] | undefined,
): Scope | string {
  if (attrs.xmlns === NS_XML || attrs.xmlns === NS_XMLNS) return 'a reserved namespace as the default'
  if (qualified === undefined) return scope
  let inner = scope
  for (const name of qualified) {
    if (!name.startsWith('xmlns:')) continue
    const prefix = name.slice(6)
    const uri = attrs[name] as string
    if (uri === '') return 'a prefix bound to nothing'
    if (prefix === 'xmlns' || uri === NS_XMLNS) return 'the prefix xmlns declared'
    if ((prefix === 'xml') !== (uri === NS_XML)) return 'the prefix xml bound anew'
    if (inner === scope) inner = Object.create(scope) as Scope
    inner[prefix] = uri
  }
  return inner
}
