/**
 * The two string classes of PRECIS and the two profiles that addresses use, from the host's Unicode tables.
 * @see RFC 8264, RFC 8265
 */

/** Exceptions that are valid, and those that are not. @see RFC 8264 §9.6, RFC 5892 §2.6 */
const VALID_EXCEPTION = /^[\xdf\u03c2\u06fd\u06fe\u0f0b\u3007]$/u
const INVALID_EXCEPTION = /^[\u302e-\u302f\u0640\u07fa\u3031-\u3035\u303b]$/u
const CONTEXTUAL = /^[\xb7\u0375\u05f3\u05f4\u30fb\u0660-\u0669\u06f0-\u06f9\u200c\u200d]$/u
/** Conjoining jamo. @see RFC 8264 §9.9 */
const OLD_HANGUL_JAMO = /^[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]$/u
const IGNORABLE = /^[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]$/u
const UNASSIGNED_OR_CONTROL = /^[\p{Cn}\p{Cc}\p{Cs}]$/u
const LETTER_OR_DIGIT = /^[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]$/u
const FREEFORM_ONLY = /^[\p{Lt}\p{Nl}\p{No}\p{Me}\p{Zs}\p{S}\p{P}]$/u

/** Canonical_Combining_Class=Virama, which JavaScript has no name for (Unicode 16). */
const VIRAMA =
  /^[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0e3a\u0eba\u0f84\u1039\u103a\u1714\u1715\u1734\u17d2\u1a60\u1b44\u1baa\u1bab\u1bf2\u1bf3\u2d7f\ua806\ua82c\ua8c4\ua953\ua9c0\uaaf6\uabed\u{10a3f}\u{11046}\u{11070}\u{1107f}\u{110b9}\u{11133}\u{11134}\u{111c0}\u{11235}\u{112ea}\u{1134d}\u{113ce}-\u{113d0}\u{11442}\u{114c2}\u{115bf}\u{1163f}\u{116b6}\u{1172b}\u{11839}\u{1193d}\u{1193e}\u{119e0}\u{11a34}\u{11a47}\u{11a99}\u{11c3f}\u{11d44}\u{11d45}\u{11d97}\u{11f41}\u{11f42}\u{1612f}]$/u

type Class = 'identifier' | 'freeform'

/** The algorithm in the order of RFC 8264 §8. */
function isIn(stringClass: Class, characters: readonly string[], at: number): boolean {
  const character = characters[at]!
  if (VALID_EXCEPTION.test(character)) return true
  if (INVALID_EXCEPTION.test(character)) return false
  if (CONTEXTUAL.test(character)) return fitsContext(characters, at)
  if (UNASSIGNED_OR_CONTROL.test(character)) return false
  if (/^[!-~]$/.test(character)) return true
  if (OLD_HANGUL_JAMO.test(character) || IGNORABLE.test(character)) return false
  if (character.normalize('NFKC') !== character) return stringClass === 'freeform'
  if (LETTER_OR_DIGIT.test(character)) return true
  return FREEFORM_ONLY.test(character) && stringClass === 'freeform'
}

/**
 * CONTEXTJ and CONTEXTO. DEVIATION: the zero width non-joiner only after a virama; between joining letters it would
 * need a table of Joining_Type. @see RFC 5892 appendix A
 */
function fitsContext(characters: readonly string[], at: number): boolean {
  const before = characters[at - 1] ?? ''
  const after = characters[at + 1] ?? ''
  switch (characters[at]) {
    case '\u200c':
    case '\u200d':
      return VIRAMA.test(before)
    case '\xb7':
      return before === 'l' && after === 'l'
    case '\u0375':
      return /^\p{Script=Greek}$/u.test(after)
    case '\u05f3':
    case '\u05f4':
      return /^\p{Script=Hebrew}$/u.test(before)
    case '\u30fb':
      return characters.some((other) => /^[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]$/u.test(other))
    default: {
      const isArabicIndic = characters[at]! <= '\u0669'
      const others = isArabicIndic ? /^[\u06f0-\u06f9]$/ : /^[\u0660-\u0669]$/
      return !characters.some((other) => others.test(other))
    }
  }
}

function allIn(stringClass: Class, text: string): boolean {
  const characters = [...text]
  return characters.every((_, at) => isIn(stringClass, characters, at))
}

/** The blocks that default to R and AL; of what the identifier class lets through, these characters of them are. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u
const RTL_LETTER =
  /^(?=[\p{L}\u05f3\u05f4\u07c0-\u07c9\u{1e950}-\u{1e959}])[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]$/u
const ARABIC_NUMBER = /^[\u0660-\u0669\u{10d30}-\u{10d39}]$/u
const EUROPEAN_NUMBER = /^[0-9\u06f0-\u06f9]$/

/** For a string with characters that run from right to left. @see RFC 5893 §2 */
function keepsBidiRule(text: string): boolean {
  if (!RIGHT_TO_LEFT.test(text)) return true
  const characters = [...text]
  if (!RTL_LETTER.test(characters[0]!)) return false
  if (characters.some((character) => /^\p{L}$/u.test(character) && !RTL_LETTER.test(character))) return false
  const numbers = [ARABIC_NUMBER, EUROPEAN_NUMBER].map((kind) => characters.some((character) => kind.test(character)))
  if (numbers[0] && numbers[1]) return false
  const last = characters.findLast((character) => !/^\p{Mn}$/u.test(character))!
  return RTL_LETTER.test(last) || ARABIC_NUMBER.test(last) || EUROPEAN_NUMBER.test(last)
}

/** Until nothing changes, as some mappings feed others. @see RFC 8264 §7 */
function untilStable(text: string, apply: (text: string) => string): string | undefined {
  let current = text
  for (let round = 0; round < 4; round += 1) {
    const next = apply(current)
    if (next === current) return current
    current = next
  }
  return undefined
}

const narrow = (text: string): string => text.replace(/[\u3000\uff01-\uffee]/g, (wide) => wide.normalize('NFKC'))

/** Undefined when it is not in the profile. @see RFC 8265 §3.3 */
export function usernameCaseMapped(text: string): string | undefined {
  const mapped = untilStable(text, (current) => narrow(current).toLowerCase().normalize('NFC'))
  return mapped !== undefined && mapped !== '' && allIn('identifier', mapped) && keepsBidiRule(mapped)
    ? mapped
    : undefined
}

/** Undefined when it is not in the profile. @see RFC 8265 §4.2 */
export function opaqueString(text: string): string | undefined {
  const mapped = untilStable(text, (current) => current.replace(/\p{Zs}/gu, ' ').normalize('NFC'))
  return mapped !== undefined && mapped !== '' && allIn('freeform', mapped) ? mapped : undefined
}
