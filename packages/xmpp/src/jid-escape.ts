const ESCAPABLE = /[ "&'/:<>@]|\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/g
const ESCAPED = /\\(20|22|26|27|2f|3a|3c|3e|40|5c)/g

/**
 * Text as it can stand in a local part. A space at either end has no escape: refuse it before. @see XEP-0106 §4.2
 */
export const escapeLocal = (text: string): string =>
  text.replace(ESCAPABLE, (character) => `\\${character.charCodeAt(0).toString(16)}`)

/** One pass from the left; what is none of the ten sequences stays. @see XEP-0106 §4.3 */
export const unescapeLocal = (local: string): string =>
  local.replace(ESCAPED, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
