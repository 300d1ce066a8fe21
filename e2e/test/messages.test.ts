import { play } from '../src/play.ts'
import { headerOf, statusOf } from '../src/sip-text.ts'
import { sipp, succeeds } from '../src/sipp.ts'
import { PORTS, SIP, SIP_TCP } from '../src/stage.ts'

const TEXTS: readonly (readonly [string, string])[] = [
  ['plain words', 'Art thou not Romeo?'],
  ['letters of many scripts', 'Grüße, привет, 你好, שלום, हिन्दी'],
  ['characters that XML needs', `<b>a & b</b> "q" 'a' ]]> &amp; <!-- no comment -->`],
  ['emoji, joined ones too', '😀👩‍👩‍👧‍👦🏳️‍🌈'],
  ['line breaks and tabs', 'one\ntwo\n\n\tfour'],
]
const SERIES = 200
const LONG = `${'long '.repeat(819)}end`
const accepted = (status: number): boolean => status === 200 || status === 202

play('messages', { xmpp: ['juliet', 'nurse'], sip: { romeo: SIP, paris: SIP_TCP, tybalt: SIP } }, (act) => {
  for (const [what, text] of TEXTS) {
    act(
      `${what} arrive unchanged, each way, over UDP and over TCP`,
      async ({ xmpp: { juliet }, sip: { romeo, paris } }) => {
        for (const person of [romeo, paris]) {
          juliet.message(person.aor.slice('sip:'.length), text)
          const asked = await person.hears(text)
          expect(asked.from).toMatch(/^sip:juliet@xmpp\.example/)
          expect(headerOf(asked.text, 'content-type')).toMatch(/^text\/plain/)

          const answer = await person.message(`sip:${juliet.bare}`, text.replaceAll('\n', '\r\n'))
          expect(answer.start).toMatch(/^SIP\/2\.0 20[02] /)
          const seen = await juliet.hearsMessage(text)
          expect(seen.from.split('/')[0]).toBe(person.aor.slice('sip:'.length))
        }
      },
    )
  }

  act(
    'RFC 7572 §4: the thread is the Call-ID, the subject is the Subject, both ways',
    async ({ xmpp: { juliet }, sip: { romeo } }) => {
      juliet.message('romeo@sip.example', 'on the balcony', {
        thread: 'e0ffe42b28561960c6b12b944a092794b9683a38',
        subject: 'Night',
      })
      const asked = await romeo.hears('on the balcony')
      expect(asked.callId).toBe('e0ffe42b28561960c6b12b944a092794b9683a38')
      expect(headerOf(asked.text, 'subject')).toBe('Night')
      expect(headerOf(asked.text, 'contact')).toBeUndefined()

      await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
        callId: 'balcony@sip.example',
        headers: [
          ['Content-Type', 'text/plain'],
          ['Subject', 'Day'],
        ],
        body: 'in the garden',
      })
      const seen = await juliet.hearsMessage('in the garden')
      expect(seen.thread).toBe('balcony@sip.example')
      expect(seen.subject).toBe('Day')
    },
  )

  act('a 4 kB body passes a route that is congestion-safe, each way', async ({ xmpp: { juliet }, sip: { paris } }) => {
    juliet.message('paris@tcp.example', LONG)
    await paris.hears(LONG)
    expect(accepted(statusOf(await paris.message(`sip:${juliet.bare}`, LONG)))).toBe(true)
    await juliet.hearsMessage(LONG)
  })

  act(
    'RFC 7572 §6: a 4 kB body is refused with policy-violation on a route over UDP',
    async ({ xmpp: { juliet }, sip: { romeo } }) => {
      const id = juliet.message('romeo@sip.example', LONG)
      const error = await juliet.hearsError(id)
      expect(error).toMatchObject({ condition: 'policy-violation', errorType: 'modify', from: 'romeo@sip.example' })
      await romeo.heard.never('the long message', (one) => one.body === LONG, 300)
    },
  )

  act(
    `a conversation of ${SERIES} messages each way at once, in order, none lost, none twice`,
    async ({ xmpp: { juliet }, sip: { romeo } }) => {
      const [heardBySip, heardByXmpp] = [romeo.heard.all.length, juliet.heard.all.length]
      const numbers = Array.from({ length: SERIES }, (_none, index) => index)
      for (const index of numbers) juliet.message('romeo@sip.example', `to sip ${index}`)
      for (const index of numbers) {
        const answer = await romeo.message(`sip:${juliet.bare}`, `to xmpp ${index}`)
        if (!accepted(statusOf(answer))) throw new Error(`message ${index}: ${answer.start}`)
      }
      await romeo.hears(`to sip ${SERIES - 1}`, 30_000)
      await juliet.hearsMessage(`to xmpp ${SERIES - 1}`, 30_000)

      expect(romeo.heard.all.slice(heardBySip).map((one) => one.body)).toEqual(
        numbers.map((index) => `to sip ${index}`),
      )
      const seen = juliet.heard.all.slice(heardByXmpp).filter((one) => one.kind === 'message')
      expect(seen.map((one) => one.body)).toEqual(numbers.map((index) => `to xmpp ${index}`))
    },
  )

  act(`SIPp plays a SIP user who writes ${SERIES} messages`, async ({ stage, xmpp: { nurse } }) => {
    const target = { host: stage.at.kamailio, port: PORTS.sip }
    const keys = { from: 'peter@sip.example', to: nurse.bare }
    await succeeds(
      sipp(stage, 'message', { target, port: PORTS.user, calls: SERIES, perSecond: 1000, keys, strict: false }),
    )
    await nurse.hearsMessage(`sipp ${SERIES}`)
    const seen = nurse.heard.all.filter((one) => one.kind === 'message').map((one) => one.body)
    expect(seen).toEqual(Array.from({ length: SERIES }, (_none, index) => `sipp ${index + 1}`))
  })

  act(
    'several people talk at once and each hears only what is meant for them',
    async ({ xmpp: { juliet, nurse }, sip: { romeo, tybalt } }) => {
      const pairs = [
        [juliet, romeo],
        [juliet, tybalt],
        [nurse, romeo],
        [nurse, tybalt],
      ] as const
      for (const [person, phone] of pairs)
        person.message(phone.aor.slice('sip:'.length), `from ${person.bare} to ${phone.aor}`)
      for (const [person, phone] of pairs) {
        const asked = await phone.hears(`from ${person.bare} to ${phone.aor}`)
        expect(asked.from).toMatch(new RegExp(`^sip:${person.bare}`))
      }
    },
  )
})
