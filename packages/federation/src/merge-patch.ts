export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/** `null` removes a member, so that it takes its default again; everything but an object replaces. @see RFC 7396 §2 */
export function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) result.delete(key)
    else result.set(key, mergePatch(result.get(key) ?? null, value))
  }
  // fromEntries defines members, so that a key such as __proto__ stays a mere key.
  return Object.fromEntries(result)
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
