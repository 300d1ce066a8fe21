import { lossyUtf8Text, utf8Bytes, utf8Length } from '@stox/kernel'
import { parseSipMessage } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { formatJid } from '@stox/xmpp'
import { bothWays } from './both-ways.ts'

/**
 * The pairs of examples that RFC 7572 prints, compared by meaning: Juliet is on XMPP at example.com, Romeo on SIP at
 * example.net. Where the print is wrong the row says so. @see mapping H.3
 */
const world = (messages: Readonly<Record<string, unknown>> = {}) =>
  bothWays(messages, { domain: 'example.com' }, { domain: 'example.net' })

/** As printed, but for a Content-Length that counts. */
function request(head: readonly string[], body: string): SipRequest {
  const text = [...head, `Content-Length: ${utf8Length(body)}`, '', body].join('\r\n')
  const parsed = parseSipMessage(utf8Bytes(text), 'datagram')
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('not a request')
  return parsed.value
}

test('RFC 7572 §4, examples 1 and 2: XMPP to SIP [7572-4.1 7572-4.2 7572-4t.body 7572-4t.from 7572-4t.to 7572-4t.cseq]', async () => {
  const at = world()
  expect(
    await at.printed(
      `<message from='juliet@example.com/yn0cl4bnw0yr3vym' to='romeo@example.net'><body>Art thou not Romeo, and a Montague?</body></message>`,
    ),
  ).toEqual({ kind: 'delivered', status: 200 })
  const [made] = at.sip.take()
  expect(made?.method).toBe('MESSAGE')
  expect(made?.uri).toBe('sip:romeo@example.net')
  expect(made?.headers.get('From')).toMatch(/^<sip:juliet@example\.com;gr=yn0cl4bnw0yr3vym>;tag=\S+$/)
  expect(made?.headers.get('To')).toBe('<sip:romeo@example.net>')
  expect(made?.core.callId).not.toBe('')
  expect(made?.core.cseq).toEqual({ number: 1, method: 'MESSAGE' })
  expect(made?.headers.get('Content-Type')).toMatch(/^text\/plain/)
  // The print says text/plain alone; what we say more is what it means (RFC 3261 §7.4.1).
  expect(made?.headers.get('Content-Type')).toContain('charset=UTF-8')
  expect(lossyUtf8Text(made?.body ?? new Uint8Array())).toBe('Art thou not Romeo, and a Montague?')
  expect(made?.body.length).toBe(35)
})

const EXAMPLE_4 = [
  'MESSAGE sip:juliet@example.com SIP/2.0',
  'Via: SIP/2.0/TCP s2x.example.net;branch=z9hG4bKeskdgs677',
  'Max-Forwards: 70',
  'From: sip:romeo@example.net;tag=38594',
  'To: sip:juliet@example.com',
  'Call-ID: M4spr4vdu@example.net',
  'CSeq: 1 MESSAGE',
  'Content-Type: text/plain',
]

test('RFC 7572 §5, examples 3 to 5: SIP to XMPP, and its answer [7572-5.1 7572-5t.body 7572-5t.call-id 7572-5t.from 7572-5t.to]', async () => {
  const at = world({ stanzaType: 'rfc' })
  const answer = await at.request(request(EXAMPLE_4, 'Neither, fair saint, if either thee dislike.'))
  // Example 3 prints 200; 202 is another yes (RFC 3428 §7).
  expect(answer.status).toBe(202)
  expect(answer.headers.has('Contact')).toBe(false)
  expect(answer.body).toHaveLength(0)
  const [stanza] = at.link.take()
  // The sender's resource in example 5 comes from nowhere: the From of example 4 has none.
  expect(formatJid(stanza!.from)).toBe('romeo@example.net')
  expect(formatJid(stanza!.to)).toBe('juliet@example.com')
  expect(stanza).toMatchObject({
    kind: 'message',
    type: 'normal',
    thread: 'M4spr4vdu@example.net',
    bodies: [{ text: 'Neither, fair saint, if either thee dislike.' }],
  })
  expect(stanza?.id).toBeDefined()
})

test('RFC 7572 §8, examples 6 and 7: the language [7572-8.2 7572-8.3]', async () => {
  const at = world()
  // The print writes the octets of UTF-8 as XML references of characters, and counts 45; meant are these words.
  const words = 'Nic z obého, má děvo spanilá, nenávidíš-li jedno nebo druhé.'
  await at.request(request([...EXAMPLE_4, 'Content-Language: cs'], words))
  const [stanza] = at.link.take()
  expect(stanza).toMatchObject({ lang: 'cs', bodies: [{ lang: 'cs', text: words }] })
})

test('RFC 7572 §8, the other way [7572-8.1]', async () => {
  const at = world()
  await at.printed(
    `<message from='juliet@example.com' to='romeo@example.net' xml:lang='cs'><body>Kdo jsi?</body></message>`,
  )
  expect(at.sip.take()[0]?.headers.get('Content-Language')).toBe('cs')
})
