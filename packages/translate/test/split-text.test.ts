import * as fc from 'fast-check'
import { utf8Length } from '@stox/kernel'
import { splitText } from '../src/split-text.ts'

const unnumbered = (piece: string): string => piece.replace(/^\(\d+\/\d+\) /, '')

describe('mapping C.6: a text in pieces', () => {
  test('the pieces are the text, each within its bound', () =>
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 600 }),
        fc.integer({ min: 60, max: 200 }),
        (text, maxBytes) => {
          const pieces = splitText(text, maxBytes)
          if (pieces === undefined) return
          expect(pieces.map(unnumbered).join('')).toBe(text)
          for (const piece of pieces) expect(utf8Length(piece)).toBeLessThanOrEqual(maxBytes)
        },
      ),
    ))
  test('numbers, and cuts after words', () =>
    expect(splitText('Art thou not Romeo, and a Montague?', 32)).toEqual([
      '(1/2) Art thou not Romeo, and ',
      '(2/2) a Montague?',
    ]))
  test('what is one character to a reader is not cut', () => {
    const family = '👩‍👩‍👧‍👦'
    const pieces = splitText(family.repeat(4), 60)
    expect(pieces?.every((piece) => unnumbered(piece).replaceAll(family, '') === '')).toBe(true)
  })
  test('no room, no pieces', () => {
    expect(splitText('x'.repeat(100), 20)).toBeUndefined()
    expect(splitText('x'.repeat(10_000), 40)).toBeUndefined()
  })
})
