import fc from 'fast-check'
import {
  derAt,
  derBits,
  derBoolean,
  derCount,
  derSequence,
  derTimeMs,
  derValues,
  oidText,
} from '../../src/certificates/der.ts'

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(' ', ''), 'hex')
const value = (text: string) => derAt(hex(text), 0)!

test.each([
  ['a short length', '04 02 aabb', 'aabb'],
  ['no content', '05 00', ''],
  ['what follows is left alone', '04 01 aa bb', 'aa'],
  ['a long length', `04 81 80 ${'00'.repeat(128)}`, '00'.repeat(128)],
])('X.690 §8.1.3: %s', (_name, bytes, content) => {
  expect(Buffer.from(value(bytes).content).toString('hex')).toBe(content)
})

test.each([
  ['nothing', ''],
  ['a tag alone', '04'],
  ['less than promised', '04 02 aa'],
  ['an indefinite length', '30 80 00 00'],
  ['a length longer than it has to be', '04 81 02 aabb'],
  ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
  ['a length of four octets', '04 84 00 00 00 01 aa'],
  ['a length cut off', '04 82 01'],
  ['a tag of more than one octet', '1f 81 01 00'],
])('X.690 §10.1: refused: %s', (_name, bytes) => expect(derAt(hex(bytes), 0)).toBeUndefined())

test('values have to fill the bytes, and not be too many', () => {
  expect(derValues(hex('0500 0500'))).toHaveLength(2)
  expect(derValues(hex('0500 05'))).toBeUndefined()
  expect(derValues(hex('0500 0500 0500'), 2)).toBeUndefined()
  expect(derSequence(hex('3002 0500'))).toHaveLength(1)
  expect(derSequence(hex('3002 0500 00'))).toBeUndefined()
  expect(derSequence(hex('3102 0500'))).toBeUndefined()
})

test.each([
  ['2a864886f70d01010b', '1.2.840.113549.1.1.11'],
  ['2b06010505070805', '1.3.6.1.5.5.7.8.5'],
  ['883703', '2.999.3'],
  ['00', '0.0'],
  ['', undefined],
  ['2a86', undefined],
  ['2a8001', undefined],
  ['8001', undefined],
  [`2a${'ff'.repeat(9)}7f`, undefined],
])('X.690 §8.19: OID %s is %s', (bytes, text) => expect(oidText(hex(bytes))).toBe(text))

test.each([
  ['0101ff', true],
  ['010100', false],
  ['010101', undefined],
  ['0100', undefined],
  ['0201ff', undefined],
])('X.690 §11.1: boolean %s', (bytes, expected) => expect(derBoolean(value(bytes))).toBe(expected))

test.each([
  ['020100', 0],
  ['02017f', 127],
  ['02020080', 128],
  ['0203010001', 65_537],
  ['02047fffffff', 0x7fffffff],
  ['02020001', undefined],
  ['0201ff', undefined],
  ['0200', undefined],
  ['02050100000000', undefined],
])('X.690 §8.3: count %s', (bytes, expected) => expect(derCount(value(bytes))).toBe(expected))

test('X.690 §8.6: bits', () => {
  expect(derBits(value('03020780'))).toEqual(hex('80'))
  expect(derBits(value('030100'))).toHaveLength(0)
  for (const bad of ['0300', '030101', '03020880', '04020780']) expect(derBits(value(bad))).toBeUndefined()
})

const time = (tag: string, text: string) =>
  value(`${tag}${text.length.toString(16).padStart(2, '0')}${Buffer.from(text).toString('hex')}`)
test.each([
  ['17', '491231235959Z', '2049-12-31T23:59:59.000Z'],
  ['17', '500101000000Z', '1950-01-01T00:00:00.000Z'],
  ['18', '20500101000000Z', '2050-01-01T00:00:00.000Z'],
  ['18', '99991231235959Z', '9999-12-31T23:59:59.000Z'],
  ['18', '00500101000000Z', '0050-01-01T00:00:00.000Z'],
])('RFC 5280 §4.1.2.5: %s %s', (tag, text, iso) =>
  expect(derTimeMs(time(tag, text))).toBe(Date.parse(iso.length > 20 && iso.startsWith('00') ? `+00${iso}` : iso)),
)

test.each([
  ['17', '260230000000Z'],
  ['17', '261301000000Z'],
  ['17', '260101240000Z'],
  ['17', '260101006000Z'],
  ['17', '2601010000Z'],
  ['17', '260101000000+0100'],
  ['18', '20260101000000.5Z'],
  ['18', '260101000000Z'],
  ['04', '260101000000Z'],
  ['17', ''],
])('RFC 5280 §4.1.2.5: refused: %s %s', (tag, text) => expect(derTimeMs(time(tag, text))).toBeUndefined())

test('any bytes give values or nothing, and never more than there are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const one = derAt(bytes, 0)
      if (one !== undefined) {
        expect(one.whole.length).toBeLessThanOrEqual(bytes.length)
        for (const read of [derBits, derBoolean, derCount, derTimeMs]) read(one)
        derValues(one.content)
      }
      oidText(bytes)
      const all = derValues(bytes)
      if (all !== undefined) expect(Buffer.concat(all.map(({ whole }) => whole))).toEqual(Buffer.from(bytes))
    }),
    { seed: 5280, numRuns: 3_000 },
  )
})
