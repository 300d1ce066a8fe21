import { utf8Length } from '@stox/kernel'

/** Where a text may be cut without a wound: after a space or a line end, else between two characters as people see them. */
const SPACE = /\s/
/** Of the room, how much may stay unused for the sake of a whole word. */
const WASTE = 0.25
const MOST_PIECES = 99

/**
 * A text in pieces of at most `maxBytes` of UTF-8, "(1/3) " included; undefined when it needs too many. Without their
 * numbers they are the text. @see mapping C.6
 */
export function splitText(text: string, maxBytes: number): readonly string[] | undefined {
  const room = maxBytes - '(99/99) '.length
  if (room < 16) return undefined
  const pieces: string[] = []
  let piece = ''
  let bytes = 0
  /** Where the last word of the piece ended, in characters and bytes. */
  let word = { at: 0, bytes: 0 }
  for (const cluster of clustersOf(text)) {
    const size = utf8Length(cluster)
    if (size > room) return undefined
    if (bytes + size > room) {
      if (pieces.length === MOST_PIECES - 1) return undefined
      const cut = word.bytes >= room * (1 - WASTE) ? word : { at: piece.length, bytes }
      pieces.push(piece.slice(0, cut.at))
      piece = piece.slice(cut.at)
      bytes -= cut.bytes
      word = { at: 0, bytes: 0 }
    }
    piece += cluster
    bytes += size
    if (SPACE.test(cluster)) word = { at: piece.length, bytes }
  }
  if (piece !== '') pieces.push(piece)
  return pieces.map((one, index) => `(${index + 1}/${pieces.length}) ${one}`)
}

/** Characters with what belongs to them: marks, joiners, selectors, modifiers, the second half of a flag. */
const CLUSTER =
  /\r\n|\p{Regional_Indicator}{2}|(?:[^\r\n][\p{M}\p{Emoji_Modifier}\u{E0020}-\u{E007F}]*)(?:\u{200D}[^\r\n][\p{M}\p{Emoji_Modifier}]*)*|[\r\n]/gsu
const clustersOf = (text: string): readonly string[] => text.match(CLUSTER) ?? []
