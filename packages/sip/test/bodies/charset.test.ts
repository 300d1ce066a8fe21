import { decodeText } from '../../src/index.ts'

test.each([
  ['RFC 3261 §7.4.1 absent: UTF-8', undefined, [0xc3, 0xa9], 'é'],
  ['UTF-8', 'UTF-8', [0xf0, 0x9f, 0x8c, 0xb9], '🌹'],
  ['a byte order mark', 'utf-8', [0xef, 0xbb, 0xbf, 0x61], 'a'],
  ['a mark further in stays', 'utf-8', [0x61, 0xef, 0xbb, 0xbf], 'a\ufeff'],
  ['US-ASCII', 'US-ASCII', [0x61, 0x7e], 'a~'],
  ['ISO-8859-1', 'ISO-8859-1', [0xe9, 0xff], 'éÿ'],
  ['windows-1252', 'Windows-1252', [0x80, 0x93, 0xe9, 0x94, 0x9f], '€“é”Ÿ'],
  ['windows-1252, a byte that means nothing', 'windows-1252', [0x81, 0x8d, 0x8f, 0x90, 0x9d], '\ufffd'.repeat(5)],
  ['nothing', 'utf-8', [], ''],
])('%s', (_name, charset, bytes, text) => {
  expect(decodeText(Uint8Array.from(bytes), charset)).toEqual({ ok: true, value: text })
})

test('windows-1252 is what the host makes of it', () => {
  const known = Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => ![0x81, 0x8d, 0x8f, 0x90, 0x9d].includes(byte),
  )
  const bytes = Uint8Array.from(known)
  expect(decodeText(bytes, 'windows-1252')).toEqual({ ok: true, value: new TextDecoder('windows-1252').decode(bytes) })
})

test.each([
  ['utf-8', [0xc3], 'not-in-charset'],
  ['utf-8', [0xed, 0xa0, 0x80], 'not-in-charset'],
  ['us-ascii', [0x80], 'not-in-charset'],
  ['utf-16', [0x61, 0x00], 'unknown-charset'],
  ['constructor', [0x61], 'unknown-charset'],
  ['', [0x61], 'unknown-charset'],
])('%j with %j: %s', (charset, bytes, kind) => {
  expect(decodeText(Uint8Array.from(bytes), charset)).toEqual({ ok: false, failure: { kind, charset } })
})
