import { concatBytes, latin1Bytes, latin1Text, chanceFrom } from '@stox/kernel'
import * as fc from 'fast-check'
import {
  SipStreamFramer,
  contactOf,
  formatSipMessage,
  nameAddr,
  newSipRequest,
  newSipResponse,
  newSipUri,
  parseRoutes,
  parseSipMessage,
  parseWarnings,
  textToUser,
  tokensOf,
} from '../src/index.ts'
import type { SipMessage } from '../src/index.ts'
import { RFC4475 } from './torture/rfc4475.ts'
import { RFC5118 } from './torture/rfc5118.ts'

/** A stall is a matter of seconds: quadratic work on 60 KiB. A busy machine is not one, so the bound is wide and counts CPU time. */
const SLOW_MS = 2000

/** Reads whatever can be read of the bytes, and answers what can be answered. Gives how often there was a message. */
function digest(bytes: Uint8Array): number {
  let messages = 0
  for (const framing of ['datagram', 'stream'] as const) {
    const parsed = parseSipMessage(bytes, framing)
    const message: SipMessage | undefined = parsed.ok ? parsed.value : parsed.failure.salvaged
    if (message === undefined) continue
    messages += 1
    const { headers } = message
    for (const [name] of headers.entries()) headers.list(name)
    contactOf(headers)
    parseRoutes(headers, 'Route')
    parseWarnings(headers)
    tokensOf(headers, 'Require')
    if (parsed.ok) formatSipMessage(message)
    if (message.kind === 'request') {
      const written = latin1Text(formatSipMessage(newSipResponse(message, 400, undefined, { toTag: 'a' })))
      if (/\r(?!\n)|(?<!\r)\n/.test(written)) throw new Error('a stray line break in an answer')
      if (written.indexOf('\r\n\r\n') !== written.length - 4) throw new Error('an answer that ends early')
    }
  }
  return messages
}

function timeOf(run: () => void): number {
  const before = process.cpuUsage()
  run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const SEEDS = [...Object.values(RFC4475), ...Object.values(RFC5118)]
const MORSELS = [
  '\r\n',
  '\r',
  '\n',
  '\0',
  ' ',
  '\t',
  ';',
  ',',
  '"',
  '\\',
  '<',
  '>',
  ':',
  '@',
  '%',
  '=',
  '[',
  ']',
  '\xc3',
  '\xff',
  '::',
  'sip:',
  'Via: ',
]

function mutate(seed: Uint8Array, chance: (below: number) => number): Uint8Array {
  let text = latin1Text(seed)
  for (let times = 1 + chance(4); times > 0; times -= 1) {
    const at = chance(text.length + 1)
    const to = Math.min(text.length, at + chance(chance(4) === 0 ? 60 : 4))
    switch (chance(5)) {
      case 0:
        text = text.slice(0, at) + text.slice(to)
        break
      case 1:
        text = text.slice(0, at) + MORSELS[chance(MORSELS.length)]! + text.slice(at)
        break
      case 2:
        text = text.slice(0, at) + String.fromCharCode(chance(256)) + text.slice(at + 1)
        break
      case 3:
        text = text.slice(0, to) + text.slice(at)
        break
      default:
        text = text.slice(0, at) + text.slice(at, to).repeat(1 + chance(50)) + text.slice(to)
    }
  }
  return latin1Bytes(text)
}

test('20,000 mutants of the torture messages: a value or a failure, never a throw, never a stall', () => {
  const fraction = chanceFrom(4475)
  const chance = (below: number): number => Math.floor(fraction() * below)
  let slowestMs = 0
  for (let n = 0; n < 20_000; n += 1) {
    const mutant = mutate(SEEDS[chance(SEEDS.length)]!, chance)
    slowestMs = Math.max(
      slowestMs,
      timeOf(() => digest(mutant)),
    )
  }
  expect(slowestMs).toBeLessThan(SLOW_MS)
})

test('any bytes give a value or a failure', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      expect(digest(bytes)).toBe(0)
      expect(new SipStreamFramer().push(bytes).length).toBeLessThan(bytes.length + 1)
    }),
    { seed: 1, numRuns: 2000 },
  )
})

const START = 'MESSAGE sip:b@example.com SIP/2.0\r\n'
const VIA = 'Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n'
const REST = 'Call-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n'
const ADDRESSES = 'From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n'
const BIG = 60_000

test.each([
  [
    'a From full of spaces',
    `${START}${VIA}From: ${' '.repeat(BIG)}<sip:a@example.com>\r\nTo: <sip:b@example.com>\r\n${REST}`,
  ],
  ['a From of spaced tokens', `${START}${VIA}From: ${'a '.repeat(BIG / 2)}\r\nTo: <sip:b@example.com>\r\n${REST}`],
  ['spaces in front of a colon', `${START}${VIA}${ADDRESSES}X${' '.repeat(BIG)}: y\r\n${REST}`],
  ['spaces behind a value', `${START}${VIA}${ADDRESSES}X: y${' '.repeat(BIG)}\r\n${REST}`],
  ['a Contact of 6,000 entries', `${START}${VIA}${ADDRESSES}Contact: ${'<sip:a@b>,'.repeat(6000)}<sip:a@b>\r\n${REST}`],
  [
    'a Via of 2,500 entries',
    `${START}Via: ${'SIP/2.0/UDP a.example,'.repeat(2500)}SIP/2.0/UDP a\r\n${ADDRESSES}${REST}`,
  ],
  [
    'a From of 10,000 parameters',
    `${START}${VIA}From: <sip:a@b>${Array.from({ length: 10_000 }, (_, n) => `;p${n}`).join('')}\r\nTo: <sip:b@b>\r\n${REST}`,
  ],
  [
    'a URI of 10,000 parameters',
    `MESSAGE sip:b@b${Array.from({ length: 10_000 }, (_, n) => `;p${n}`).join('')} SIP/2.0\r\n${VIA}${ADDRESSES}${REST}`,
  ],
  ['20,000 folds', `${START}${VIA}${ADDRESSES}X: y${'\r\n y'.repeat(14_000)}\r\n${REST}`],
  ['20,000 lines that are no headers', `${START}${VIA}${ADDRESSES}${'a\r\n'.repeat(20_000)}${REST}`],
  [
    'lines that are no headers before far spaces',
    `${START}${'a\r\n'.repeat(8_000)}:${' '.repeat(30_000)}\r\n${VIA}${ADDRESSES}${REST}`,
  ],
  ['20,000 stray line feeds', `${START}${VIA}${ADDRESSES}${'a\n'.repeat(20_000)}\r\n${REST}`],
  ['20,000 stray returns', `${START}${VIA}${ADDRESSES}${'a\r'.repeat(20_000)}\r\n${REST}`],
  ['backslashes', `${START}${VIA}From: "${'\\'.repeat(BIG)}\r\nTo: <sip:b@b>\r\n${REST}`],
  ['quotes', `${START}${VIA}${ADDRESSES}Contact: ${'"'.repeat(BIG)}\r\nWarning: ${'"a '.repeat(1000)}\r\n${REST}`],
  ['open brackets', `${START}${VIA}${ADDRESSES}Contact: ${'<'.repeat(BIG)}\r\n${REST}`],
  ['a host of dots', `${START}${VIA}From: <sip:${'a.'.repeat(BIG / 2)}>\r\nTo: <sip:b@b>\r\n${REST}`],
  ['colons in brackets', `${START}${VIA}From: <sip:[${'::'.repeat(BIG / 2)}]>\r\nTo: <sip:b@b>\r\n${REST}`],
  ['escapes', `MESSAGE sip:${'%41'.repeat(BIG / 3)}@b SIP/2.0\r\n${VIA}${ADDRESSES}${REST}`],
  ['digits', `${START}${VIA}${ADDRESSES}Content-Length: ${'9'.repeat(BIG)}\r\n${REST}`],
  ['a scheme', `MESSAGE ${'a'.repeat(BIG)} SIP/2.0\r\n${VIA}${ADDRESSES}${REST}`],
  ['line breaks', '\r\n'.repeat(BIG / 2)],
])('no stall: %s', (_what, text) => {
  const bytes = latin1Bytes(text)
  expect(timeOf(() => digest(bytes))).toBeLessThan(SLOW_MS)
  expect(timeOf(() => new SipStreamFramer().push(bytes))).toBeLessThan(SLOW_MS)
})

test('no stall: 40 KB of a header dripping in, byte by byte', () => {
  const framer = new SipStreamFramer()
  const drop = latin1Bytes('x')
  framer.push(latin1Bytes(`${START}X: `))
  expect(
    timeOf(() => {
      for (let n = 0; n < 40_000; n += 1) framer.push(drop)
    }),
  ).toBeLessThan(1000)
})

test('64 messages pipelined in one read are 64 messages', () => {
  const one = latin1Bytes(`${START}${VIA}${ADDRESSES}Content-Length: 900\r\n${REST}${'x'.repeat(900)}`)
  const found = new SipStreamFramer().push(concatBytes(Array.from({ length: 64 }, () => one)))
  expect(found.map(({ kind }) => kind)).toEqual(Array.from({ length: 64 }, () => 'message'))
})

test('a length that is no number, then 40 MB: refused at once, nothing held', () => {
  const framer = new SipStreamFramer()
  expect(framer.push(latin1Bytes(`${START}${VIA}Content-Length: abc\r\n${REST}`)).map(({ kind }) => kind)).toEqual([
    'failure',
  ])
  const chunk = new Uint8Array(65_536)
  for (let n = 0; n < 640; n += 1) expect(framer.push(chunk)).toEqual([])
  expect(framer.pendingBytes).toBe(0)
})

test('what we write is read again as it was', () => {
  const word = fc.string({ unit: fc.constantFrom(...'abcXYZ019-._~'), minLength: 1, maxLength: 12 })
  const name = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replace(/\p{Cc}/gu, ''))
  const user = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).map(textToUser)
  const host = fc.constantFrom('example.com', '192.0.2.1', '[2001:db8::1]', 'xn--mnchen-3ya.example')
  const address = fc.record({ user: word, host, name, tag: word })
  fc.assert(
    fc.property(
      address,
      address,
      user,
      word,
      name,
      fc.nat(),
      fc.uint8Array({ maxLength: 60 }),
      (from, to, target, callId, subject, cseq, body) => {
        const request = newSipRequest({
          method: 'MESSAGE',
          uri: `sip:${target}@example.com`,
          from: nameAddr(newSipUri(from), from.name || undefined, from.tag),
          to: nameAddr(newSipUri(to), to.name || undefined),
          callId,
          cseq,
          headers: [
            ['Via', `SIP/2.0/TCP ${from.host};branch=z9hG4bK${from.tag}`],
            ['Subject', subject],
          ],
          contentType: 'application/octet-stream',
          body,
        })
        for (const written of [request, newSipResponse(request, 202, subject, { toTag: to.tag })]) {
          const parsed = parseSipMessage(formatSipMessage(written), 'stream')
          if (!parsed.ok) throw new Error(parsed.failure.detail)
          const { core, headers, ...rest } = parsed.value
          expect({ ...rest, body: [...rest.body] }).toEqual({
            ...(written.kind === 'request'
              ? { kind: 'request', method: 'MESSAGE', uri: written.uri }
              : { kind: 'response', status: 202, reason: written.reason }),
            body: [...written.body],
          })
          expect({ ...core, vias: [] }).toEqual({ ...written.core, vias: [] })
          expect([...headers.without('Content-Length').entries()]).toEqual([...written.headers.entries()])
        }
      },
    ),
    { seed: 3261, numRuns: 300 },
  )
})
