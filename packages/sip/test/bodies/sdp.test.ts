import { utf8Bytes } from '@stox/kernel'
import * as fc from 'fast-check'
import { formatKeyboardActivity, formatSdp, parseKeyboardActivity, parseSdp } from '../../src/index.ts'
import type { Sdp } from '../../src/index.ts'

const read = (text: string) => parseSdp(utf8Bytes(text))

const LYNC = [
  'v=0',
  'o=- 0 0 IN IP4 10.1.2.3',
  's=session',
  'c=IN IP4 10.1.2.3',
  't=0 0',
  'm=message 5060 sip null',
  'a=accept-types:text/plain multipart/alternative image/gif text/rtf text/html application/x-ms-ink',
]

describe('RFC 8866 §5', () => {
  test('what Lync says', () => {
    expect(read(`${LYNC.join('\r\n')}\r\n`)).toEqual({
      ok: true,
      value: {
        origin: '- 0 0 IN IP4 10.1.2.3',
        name: 'session',
        connection: 'IN IP4 10.1.2.3',
        attributes: [],
        media: [
          {
            type: 'message',
            port: 5060,
            protocol: 'sip',
            formats: ['null'],
            attributes: [
              ['accept-types', 'text/plain multipart/alternative image/gif text/rtf text/html application/x-ms-ink'],
            ],
          },
        ],
      },
    })
  })

  test('§5: a lone LF ends a line too', () => {
    expect(read(LYNC.join('\n'))).toEqual(read(`${LYNC.join('\r\n')}\r\n`))
  })

  const with2 = (...lines: string[]): string => [...LYNC.slice(0, 5), ...lines].join('\r\n')
  test.each<[string, string]>([
    ['§5.1: another version', LYNC.join('\r\n').replace('v=0', 'v=1')],
    ['§5.1: no version first', LYNC.slice(1).join('\r\n')],
    ['§5.2: no proper origin', LYNC.join('\r\n').replace('o=- 0 0', 'o=-')],
    ['§5.3: no name', LYNC.join('\r\n').replace('s=session\r\n', '')],
    ['§5.14: no format', with2('m=message 5060 sip')],
    ['§5.14: no port', with2('m=message x sip null')],
    ['§5.14: a port beyond all', with2('m=message 65536 sip null')],
    ['§5.13: an attribute without a name', with2('m=message 1 sip null', 'a=:x')],
    ['§5: a line that is none', with2('nonsense')],
    ['§5: an unknown letter', with2('q=1')],
    ['§5: t= after a medium', with2('m=message 1 sip null', 't=0 0')],
    ['§5: an empty value', with2('b=')],
    ['a control character', with2('m=message 1 sip nu\u0001ll')],
    ['more media than anybody has', with2(...Array<string>(33).fill('m=audio 1 RTP/AVP 0'))],
    ['more lines than anybody has', with2(...Array<string>(1001).fill('a=x'))],
    ['nothing', ''],
  ])('%s', (_row, text) => {
    expect(read(text)).toMatchObject({ ok: false, failure: { kind: 'sdp' } })
  })

  test('not UTF-8', () => {
    expect(parseSdp(Uint8Array.of(0x76, 0x3d, 0xff)).ok).toBe(false)
  })

  test('any bytes give a value or a failure', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
        parseSdp(bytes)
        parseSdp(utf8Bytes(`${LYNC.join('\r\n')}\r\n${text}`))
      }),
    )
  })

  const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,8}$/)
  const attributes = fc.array(fc.tuple(word, fc.option(fc.stringMatching(/^[!-~]{1,20}$/), { nil: undefined })), {
    maxLength: 3,
  })
  const sdp: fc.Arbitrary<Sdp> = fc.record({
    origin: fc.nat().map((id) => `- ${id} ${id} IN IP4 192.0.2.1`),
    name: word,
    connection: fc.option(fc.constant('IN IP6 2001:db8::1'), { nil: undefined }),
    attributes,
    media: fc.array(
      fc.record({
        type: word,
        port: fc.nat({ max: 65_535 }),
        protocol: word,
        formats: fc.array(word, { minLength: 1, maxLength: 3 }),
        attributes,
      }),
      { maxLength: 4 },
    ),
  })
  test('format, then parse', () => {
    fc.assert(fc.property(sdp, (value) => expect(read(formatSdp(value))).toEqual({ ok: true, value })))
  })

  test('nothing can be put between the lines', () => {
    const value: Sdp = {
      origin: '- 1 1 IN IP4 x',
      name: 'a\r\nm=audio 1 RTP 0',
      connection: undefined,
      attributes: [],
      media: [],
    }
    expect(() => formatSdp(value)).toThrow(RangeError)
  })
})

describe('KeyboardActivity, D.14 item 8', () => {
  test.each<[string, string, 'active' | 'idle' | undefined]>([
    ['type', '<?xml version="1.0"?>\r\n<KeyboardActivity><status status="type" /></KeyboardActivity>', 'active'],
    ['idle', '<KeyboardActivity>\n <status status="idle"/>\n</KeyboardActivity>', 'idle'],
    ['an unknown state', '<KeyboardActivity><status status="dance"/></KeyboardActivity>', undefined],
    ['no state', '<KeyboardActivity>type</KeyboardActivity>', undefined],
    ['something else', '<media_control/>', undefined],
    ['not XML', 'type', undefined],
  ])('%s', (_row, text, state) => expect(parseKeyboardActivity(utf8Bytes(text))).toBe(state))

  test.each(['active', 'idle'] as const)('format, then parse: %s', (state) =>
    expect(parseKeyboardActivity(utf8Bytes(formatKeyboardActivity(state)))).toBe(state),
  )
})
