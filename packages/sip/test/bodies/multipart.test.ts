import * as fc from 'fast-check'
import { latin1Bytes, utf8Bytes, utf8Text } from '@stox/kernel'
import {
  formatMultipart,
  isMultipart,
  isOptionalPart,
  mediaTypeOf,
  mimeHeader,
  newMimePart,
  parseMediaType,
  parseMultipart,
  rootPartOf,
  transferDecoded,
} from '../../src/index.ts'
import type { MediaType, MimePart, Multipart } from '../../src/index.ts'

function typeOf(text: string): MediaType {
  const parsed = parseMediaType(text)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}
const parse = (text: string | Uint8Array, type = 'multipart/mixed;boundary=b') =>
  parseMultipart(typeof text === 'string' ? utf8Bytes(text) : text, typeOf(type))
function read(text: string | Uint8Array, type?: string): Multipart {
  const parsed = parse(text, type)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}
/** Each part as its type and text, nested ones as lists. */
const shapeOf = (multipart: Multipart): unknown[] =>
  multipart.parts.map((part) =>
    part.kind === 'multipart' ? shapeOf(part) : [mimeHeader(part, 'Content-Type'), utf8Text(part.body)],
  )

test('RFC 2046 §5.1.1: the example', () => {
  const body = [
    'This is the preamble.  It is to be ignored, though it',
    'is a handy place for composition agents to include an',
    'explanatory note to non-MIME conformant readers.',
    '',
    '--simple boundary',
    '',
    'This is implicitly typed plain US-ASCII text.',
    'It does NOT end with a linebreak.',
    '--simple boundary',
    'Content-type: text/plain; charset=us-ascii',
    '',
    'This is explicitly typed plain US-ASCII text.',
    'It DOES end with a linebreak.',
    '',
    '--simple boundary--',
    '',
    'This is the epilogue.  It is also to be ignored.',
  ].join('\r\n')
  expect(shapeOf(read(body, 'multipart/mixed; boundary="simple boundary"'))).toEqual([
    [undefined, 'This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.'],
    [
      'text/plain; charset=us-ascii',
      'This is explicitly typed plain US-ASCII text.\r\nIt DOES end with a linebreak.\r\n',
    ],
  ])
})

test('RFC 2046 §5.1.4: alternatives, a multipart among them', () => {
  const inner = formatMultipart(
    [
      newMimePart('text/html', '<b>Hi</b>', [['Content-ID', '<r>']]),
      newMimePart('image/png', latin1Bytes('\x89\r\n--')),
    ],
    'in',
  )
  const body = formatMultipart(
    [newMimePart('text/plain', 'Hi'), newMimePart('multipart/related; boundary=in', inner)],
    'out',
  )
  const multipart = read(body, 'multipart/alternative; boundary="out"')
  expect(multipart.type.type).toBe('multipart/alternative')
  expect(multipart.parts.map(({ kind }) => kind)).toEqual(['part', 'multipart'])
  const related = multipart.parts[1] as Multipart
  expect(related.type.type).toBe('multipart/related')
  expect(mimeHeader(related, 'content-type')).toBe('multipart/related; boundary=in')
  expect(related.parts.map((part) => (part.kind === 'part' ? part.body.length : 0))).toEqual([9, 5])
})

test.each([
  ['white space after a delimiter', '--b \t\r\n\r\na\r\n--b--  \r\n', [[undefined, 'a']]],
  ['an epilogue', '--b\r\n\r\na\r\n--b--\r\nx', [[undefined, 'a']]],
  ['nothing after the last', '--b\r\n\r\na\r\n--b--', [[undefined, 'a']]],
  ['an empty body', '--b\r\n\r\n\r\n--b--', [[undefined, '']]],
  ['a delimiter within a line', '--b\r\n\r\nx--b\r\n--b--', [[undefined, 'x--b']]],
  ['a delimiter after a bare LF', '--b\r\n\r\nx\n--b\r\n--b--', [[undefined, 'x\n--b']]],
  [
    'a header that goes on',
    '--b\r\nContent-Type: text/plain;\r\n charset=utf-8\r\n\r\nx\r\n--b--',
    [['text/plain; charset=utf-8', 'x']],
  ],
])('RFC 2046 §5.1.1: %s', (_name, body, shape) => {
  expect(shapeOf(read(body))).toEqual(shape)
})

const nested = (depth: number): string =>
  depth === 0
    ? 'Content-Type: text/plain\r\n\r\nx'
    : `Content-Type: multipart/mixed;boundary=d${depth}\r\n\r\n--d${depth}\r\n${nested(depth - 1)}\r\n--d${depth}--`
const part = '--b\r\n\r\nx\r\n'
test.each([
  ['no delimiter', 'x'],
  ['no last delimiter', '--b\r\n\r\nx'],
  ['no last delimiter after another', `${part}--b\r\n\r\ny`],
  ['the last one alone', '--b--'],
  ['only bare line feeds', '--b\n\nx\n--b--\n'],
  ['a delimiter with more behind it', '--b\r\n\r\nx\r\n--bad\r\ny\r\n--b--'],
  ['the last one with more behind it', `${part}--b--x`],
  ['the first one with more behind it', '--bx\r\n\r\ny\r\n--b--'],
  ['headers that do not end', '--b\r\nContent-Type: text/plain\r\n--b--'],
  ['no part between two', '--b\r\n--b\r\n\r\nx\r\n--b--'],
  ['a line that is no header', '--b\r\nContent Type: x\r\n\r\nx\r\n--b--'],
  ['a control in a header', '--b\r\nContent-ID: \u0001\r\n\r\nx\r\n--b--'],
  ['a header twice', '--b\r\nContent-Type: text/plain\r\ncontent-type: text/html\r\n\r\nx\r\n--b--'],
  ['no proper type', '--b\r\nContent-Type: text\r\n\r\nx\r\n--b--'],
  ['headers that are not UTF-8', latin1Bytes('--b\r\nContent-ID: \xe9\r\n\r\nx\r\n--b--')],
  [
    'too many headers',
    `--b\r\n${Array.from({ length: 33 }, (_, index) => `X-${index}: y\r\n`).join('')}\r\nx\r\n--b--`,
  ],
  ['headers too long', `--b\r\nX: ${'y'.repeat(8200)}\r\n\r\nx\r\n--b--`],
  ['too many parts', `${part.repeat(33)}--b--`],
  ['too deep', `--b\r\n${nested(3)}\r\n--b--`],
  ['a multipart with a transfer encoding', `--b\r\nContent-Transfer-Encoding: base64\r\n${nested(1)}\r\n--b--`],
  ['an inner one without boundary', '--b\r\nContent-Type: multipart/mixed\r\n\r\nx\r\n--b--'],
  [
    'an inner one whose boundary opens with the outer',
    '--b\r\nContent-Type: multipart/mixed;boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n--b--',
  ],
  ['nothing', ''],
])('RFC 2046 §5.1.1 refused: %s', (_name, body) => {
  expect(parse(body)).toMatchObject({ ok: false, failure: { kind: 'mime' } })
})

test('three deep is deep enough, and parts are counted over all levels', () => {
  expect(shapeOf(read(`--b\r\n${nested(2)}\r\n--b--`))).toEqual([[[['text/plain', 'x']]]])
  const many = `Content-Type: multipart/mixed;boundary=c\r\n\r\n${'--c\r\n\r\nx\r\n'.repeat(16)}--c--`
  expect(parse(`--b\r\n${many}\r\n--b--`).ok).toBe(true)
  expect(parse(`--b\r\n${many}\r\n--b\r\n${many}\r\n--b--`).ok).toBe(false)
  const deeper = `Content-Type: multipart/mixed;boundary=d\r\n\r\n--d\r\n${many}\r\n--d--`
  expect(parse(`--b\r\n${deeper}\r\n--b--`).ok).toBe(true)
  expect(parse(`--b\r\n${deeper}\r\n--b\r\n${deeper}\r\n--b--`).ok).toBe(false)
})

test.each([
  ['none', 'multipart/mixed'],
  ['empty', 'multipart/mixed;boundary=""'],
  ['too long', `multipart/mixed;boundary=${'x'.repeat(71)}`],
  ['a space at its end', 'multipart/mixed;boundary="a "'],
  ['a character that may not be', 'multipart/mixed;boundary="a*"'],
  ['no multipart', 'text/plain;boundary=b'],
])('RFC 2046 §5.1.1 a boundary that is none: %s', (_name, type) => {
  expect(parse(`${part}--b--`, type).ok).toBe(false)
})

test.each([
  ['the first without start', 'multipart/related;boundary=b', 'one'],
  ['the one start names', 'multipart/related;boundary=b;start="<2@x>"', 'two'],
  ['the first when start names none', 'multipart/related;boundary=b;start="<3@x>"', 'one'],
])('RFC 2387 §3.2 the root: %s', (_name, type, text) => {
  const body = '--b\r\nContent-ID: <1@x>\r\n\r\none\r\n--b\r\nContent-ID: <2@x>\r\n\r\ntwo\r\n--b--'
  expect(utf8Text((rootPartOf(read(body, type)) as MimePart).body)).toBe(text)
})

test.each([
  ['absent', undefined, false],
  ['absent handling', 'render', false],
  ['required', 'render;handling=required', false],
  ['optional', 'render; Handling="optional"', true],
  ['optional among others', 'attachment;handling=optional;filename=x', true],
  ['a word that starts like it', 'render;handling=optionally', false],
  ['within the name of a file', 'attachment;filename=";handling=optional;"', false],
  ['what cannot be read', 'attachment;;handling=optional', false],
])('RFC 3261 §20.11 handling: %s', (_name, disposition, optional) => {
  const headers: [string, string][] = disposition === undefined ? [] : [['content-disposition', disposition]]
  expect(isOptionalPart({ headers })).toBe(optional)
})

test('RFC 2046 §5.2: without a type a part is plain text', () => {
  expect(mediaTypeOf({ headers: [] })).toMatchObject({ value: { type: 'text/plain' } })
  expect(isMultipart(typeOf('Multipart/Signed;boundary=x'))).toBe(true)
  expect(isMultipart(typeOf('text/multipart'))).toBe(false)
})

test.each([
  ['absent', undefined, 'a=3D', 'a=3D'],
  ['8bit', '8BIT', 'é', 'é'],
  ['base64 in lines', 'base64', 'SGVs\r\nbG8=\r\n', 'Hello'],
  ['base64 without padding', 'base64', 'SGVsbG8', undefined],
  ['base64 that is none', 'Base64', 'SGV*', undefined],
  ['quoted-printable', 'quoted-printable', 'caf=C3=a9 =\r\nau lait  \r\nx=20', 'café au lait\r\nx '],
  ['quoted-printable that is none', 'quoted-printable', 'a=4', undefined],
  ['quoted-printable, no digits', 'quoted-printable', 'a=ZZ', undefined],
  ['unknown', 'x-gzip', 'a', undefined],
])('RFC 2045 §6 transfer encoding: %s', (_name, encoding, body, text) => {
  const headers: [string, string][] = encoding === undefined ? [] : [['Content-Transfer-Encoding', encoding]]
  const decoded = transferDecoded(newMimePart('text/plain', body, headers))
  expect(decoded.ok ? utf8Text(decoded.value) : undefined).toBe(text)
})

test.each([
  ['no boundary', [newMimePart('text/plain', 'x')], ''],
  ['a boundary that stands in a part', [newMimePart('text/plain', 'x\r\n--b')], 'b'],
  ['no parts', [], 'b'],
  ['a header with a line break', [newMimePart('text/plain\r\nX: y', 'x')], 'b'],
])('our own mistake: %s', (_name, parts, boundary) => {
  expect(() => formatMultipart(parts, boundary)).toThrow(RangeError)
})

test('what is written is read again, whatever the bodies', () => {
  const body = fc.string({ unit: fc.constantFrom(...'a-\r\n \u0000é', '\r\n', '--', '\r\n--x'), maxLength: 12 })
  const type = fc.constantFrom('text/plain', 'text/html;charset=utf-8')
  const parts = fc.array(
    fc.tuple(type, body).map(([name, text]) => newMimePart(name, text)),
    { minLength: 1, maxLength: 4 },
  )
  fc.assert(
    fc.property(parts, parts, (one, other) => {
      const inner = newMimePart('multipart/alternative;boundary=in', formatMultipart(other, 'in'))
      const multipart = read(formatMultipart([...one, inner], 'out'), 'multipart/mixed;boundary=out')
      const shape = (all: readonly MimePart[]) =>
        all.map((made) => [mimeHeader(made, 'Content-Type'), utf8Text(made.body)])
      expect(shapeOf(multipart)).toEqual([...shape(one), shape(other)])
    }),
    { seed: 2046, numRuns: 300 },
  )
})

test('any bytes give a value or a failure', () => {
  const piece = fc.constantFrom(
    '--b',
    '--b--',
    '\r\n',
    '\n',
    '\r\n\r\n',
    'Content-Type: multipart/mixed;boundary=b',
    'Content-Type: text/plain',
    'x',
    ' ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      expect(typeof parse(pieces.join('')).ok).toBe('boolean')
    }),
    { seed: 822, numRuns: 1000 },
  )
})
