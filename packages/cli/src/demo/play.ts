import { formatSipMessage } from '@stox/sip'
import type { Pidf, SipRequest } from '@stox/sip'
import { formatBareJid, formatStanza, parseJid } from '@stox/xmpp'
import type { Jid, Stanza } from '@stox/xmpp'
import type { Narrator } from './narrator.ts'
import type { SipSide } from './sip-side.ts'
import type { XmppSide } from './xmpp-side.ts'

/** What either side has heard, kept until somebody asks for it. */
export class Heard<T> {
  #waiting: { readonly wanted: (item: T) => boolean; readonly found: (item: T) => void }[] = []
  #kept: T[] = []

  put(item: T): void {
    const waiter = this.#waiting.find(({ wanted }) => wanted(item))
    if (waiter === undefined) {
      this.#kept.push(item)
      if (this.#kept.length > 1000) this.#kept.shift()
      return
    }
    this.#waiting = this.#waiting.filter((other) => other !== waiter)
    waiter.found(item)
  }

  /** The first that fits, from what was kept or is to come; undefined when none came in time. */
  take(wanted: (item: T) => boolean, withinMs: number): Promise<T | undefined> {
    const index = this.#kept.findIndex(wanted)
    if (index >= 0) return Promise.resolve(this.#kept.splice(index, 1)[0])
    return new Promise((resolve) => {
      const waiter = {
        wanted,
        found: (item: T) => {
          clearTimeout(timeout)
          resolve(item)
        },
      }
      const timeout = setTimeout(() => {
        this.#waiting = this.#waiting.filter((other) => other !== waiter)
        resolve(undefined)
      }, withinMs)
      this.#waiting.push(waiter)
    })
  }

  forget(): void {
    this.#kept = []
  }
}

export interface SipMessageHeard {
  readonly from: string
  readonly to: string
  readonly text: string
  readonly request: SipRequest
}

export interface PresenceLearned {
  readonly watcher: string
  readonly contact: string
  readonly state: string
  readonly document: Pidf | undefined
}

export interface Stage {
  readonly xmpp: XmppSide
  readonly sip: SipSide
  readonly narrator: Narrator
  readonly stanzas: Heard<Stanza>
  readonly messages: Heard<SipMessageHeard>
  readonly asked: Heard<{ readonly watcher: string; readonly user: string }>
  readonly ceased: Heard<{ readonly watcher: string; readonly user: string }>
  readonly learned: Heard<PresenceLearned>
  readonly juliet: Jid
  readonly romeo: string
}

export interface Tally {
  readonly exchanges: number
  readonly delivered: number
}

const PATIENCE_MS = 15_000

const jidOf = (text: string): Jid => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(`${text}: ${jid.failure.detail}`)
  return jid.value
}

const headOf = (request: SipRequest): string =>
  new TextDecoder().decode(formatSipMessage(request)).split('\r\n\r\n', 1)[0]!

/** The start line and the headers that carry meaning across. */
function requestInShort(request: SipRequest): string {
  const lines = headOf(request).split('\r\n')
  const telling = lines.filter((line) => /^(From|To|Call-ID|Subject|Content-Type):/i.test(line))
  return [lines[0], ...telling].join('  ')
}

function describe(document: Pidf | undefined): string {
  const tuples = document?.tuples ?? []
  const open = tuples.find((tuple) => tuple.basic === 'open')
  if (open === undefined) return tuples.length > 0 ? 'offline' : 'unknown'
  const note = open.notes[0]?.text
  return `${open.show ?? 'available'}${note === undefined ? '' : ` (“${note}”)`}`
}

/**
 * The conversation. Each exchange is a thing done on one side that must be seen on the other; the tally counts those
 * that were. What must fail is shown too, and is counted when its sender was told.
 */
export async function play(stage: Stage): Promise<Tally> {
  const { xmpp, sip, narrator, juliet, romeo } = stage
  const romeoJid = jidOf(romeo)
  const julietAddress = formatBareJid(juliet)
  const tally = { exchanges: 0, delivered: 0 }
  const settle = (seen: boolean, text: string): void => {
    tally.exchanges += 1
    if (seen) tally.delivered += 1
    narrator.outcome(seen, text)
  }

  async function xmppSays(text: string): Promise<void> {
    const startedAt = performance.now()
    narrator.line('xmpp', 'juliet says', text)
    const stanza = await xmpp.say(juliet, romeoJid, text)
    narrator.line('xmpp', 'stanza', formatStanza(stanza))
    const heard = await stage.messages.take((message) => message.to === romeo && message.text === text, PATIENCE_MS)
    if (heard !== undefined) {
      narrator.line('sip', 'became', requestInShort(heard.request))
      narrator.line('sip', 'romeo reads', heard.text)
    }
    settle(
      heard !== undefined,
      heard === undefined ? 'not seen on the SIP side' : `200 OK after ${Math.round(performance.now() - startedAt)} ms`,
    )
  }

  async function sipSays(text: string): Promise<void> {
    const startedAt = performance.now()
    narrator.line('sip', 'romeo says', text)
    const answer = await sip.say(romeo, julietAddress, text)
    narrator.line('sip', 'request', requestInShort(answer.request))
    const heard = await stage.stanzas.take(
      (stanza) =>
        stanza.kind === 'message' && stanza.type !== 'error' && stanza.bodies.some((body) => body.text === text),
      answer.status < 300 ? PATIENCE_MS : 0,
    )
    if (heard?.kind === 'message') {
      narrator.line('xmpp', 'became', formatStanza(heard))
      narrator.line('xmpp', 'juliet reads', heard.bodies[0]?.text ?? '')
    }
    const took = Math.round(performance.now() - startedAt)
    settle(heard !== undefined && answer.status < 300, `${answer.status} ${answer.reason} after ${took} ms`)
  }

  /** Something that juliet's server must hear about romeo. */
  async function xmppLearns(what: string, wanted: (stanza: Stanza) => boolean): Promise<void> {
    const stanza = await stage.stanzas.take((one) => one.kind === 'presence' && wanted(one), PATIENCE_MS)
    if (stanza !== undefined) narrator.line('xmpp', 'hears', formatStanza(stanza))
    settle(stanza !== undefined, stanza === undefined ? `juliet did not learn: ${what}` : `juliet sees romeo: ${what}`)
  }

  async function sipLearns(what: string, wanted: (learned: PresenceLearned) => boolean): Promise<void> {
    const learned = await stage.learned.take(wanted, PATIENCE_MS)
    if (learned !== undefined)
      narrator.line(
        'sip',
        'NOTIFY',
        `Subscription-State: ${learned.state}${learned.document === undefined ? '' : `, ${describe(learned.document)}`}`,
      )
    settle(learned !== undefined, learned === undefined ? `romeo did not learn: ${what}` : `romeo sees juliet: ${what}`)
  }

  narrator.title('Messages, each way')
  await xmppSays('Art thou not Romeo, and a Montague?')
  await sipSays('Neither, fair saint, if either thee dislike.')
  await xmppSays('Über <walls> & “hedges” 💘\nhow cam’st thou hither?')
  await sipSays('With love’s light wings did I o’er-perch these walls; 2 < 3 & so on 🕊')

  narrator.title('A message that cannot arrive: its sender is told')
  const lost = await xmpp.say(juliet, jidOf(`nobody@${romeoJid.domain}`), 'Is anybody there?')
  narrator.line('xmpp', 'stanza', formatStanza(lost))
  const bounce = await stage.stanzas.take(
    (stanza) => stanza.kind === 'message' && stanza.type === 'error' && stanza.id === lost.id,
    PATIENCE_MS,
  )
  if (bounce !== undefined) narrator.line('xmpp', 'hears', formatStanza(bounce))
  settle(
    bounce?.error?.condition === 'item-not-found',
    `juliet learns: ${bounce?.error?.condition ?? 'nothing'}, with the id of her message`,
  )

  const astray = await sip.say(romeo, 'friar@nowhere.example', 'Is the letter delivered?')
  narrator.line('sip', 'request', requestInShort(astray.request))
  settle(astray.status >= 400, `romeo learns: ${astray.status} ${astray.reason}, for nowhere.example is no partner`)

  narrator.title('juliet (XMPP) adds romeo (SIP)')
  await xmpp.sendPresence(juliet, romeoJid, 'subscribe')
  narrator.line('xmpp', 'stanza', `<presence type='subscribe' from='${julietAddress}' to='${romeo}'/>`)
  const request = await stage.asked.take(({ watcher }) => watcher === julietAddress, PATIENCE_MS)
  settle(
    request !== undefined,
    request === undefined ? 'no SUBSCRIBE came' : 'became SUBSCRIBE; pending until romeo says yes',
  )
  sip.bePresent(romeo, { online: true, note: 'In the orchard' })
  sip.approve(romeo, julietAddress)
  narrator.line('sip', 'romeo', 'says yes: NOTIFY, Subscription-State: active')
  await xmppLearns('approved', (stanza) => stanza.kind === 'presence' && stanza.type === 'subscribed')
  await xmppLearns(
    'available, “In the orchard”',
    (stanza) =>
      stanza.kind === 'presence' && stanza.type === 'available' && stanza.statuses[0]?.text === 'In the orchard',
  )
  sip.bePresent(romeo, { online: true, show: 'dnd', note: 'Climbing' })
  narrator.line('sip', 'romeo', 'is busy: NOTIFY with PIDF')
  await xmppLearns('busy, “Climbing”', (stanza) => stanza.kind === 'presence' && stanza.show === 'dnd')
  sip.bePresent(romeo, { online: false })
  narrator.line('sip', 'romeo', 'goes offline')
  await xmppLearns('offline', (stanza) => stanza.kind === 'presence' && stanza.type === 'unavailable')

  narrator.title('romeo (SIP) adds juliet (XMPP)')
  sip.bePresent(romeo, { online: true })
  sip.watch(romeo, julietAddress)
  narrator.line('sip', 'request', `SUBSCRIBE sip:${julietAddress}  Event: presence`)
  const ask = await stage.stanzas.take(
    (stanza) => stanza.kind === 'presence' && stanza.type === 'subscribe',
    PATIENCE_MS,
  )
  if (ask !== undefined) narrator.line('xmpp', 'became', formatStanza(ask))
  settle(ask !== undefined, ask === undefined ? 'no subscription request came' : 'juliet is asked')
  await sipLearns('pending', (learned) => learned.state === 'pending')
  await xmpp.bePresent(juliet, { show: 'away', status: 'On the balcony' })
  await xmpp.approve(juliet, romeoJid)
  narrator.line('xmpp', 'juliet', "says yes: <presence type='subscribed'/>")
  await sipLearns('away, “On the balcony”', ({ document }) => describe(document) === 'away (“On the balcony”)')
  await xmpp.bePresent(juliet, {})
  narrator.line('xmpp', 'juliet', 'is back')
  await sipLearns('available', ({ document }) => describe(document) === 'available')
  await xmpp.bePresent(juliet, { online: false })
  narrator.line('xmpp', 'juliet', 'goes offline')
  await sipLearns('offline', ({ document }) => describe(document) === 'offline')

  narrator.title('Both remove each other')
  await xmpp.sendPresence(juliet, romeoJid, 'unsubscribe')
  narrator.line('xmpp', 'stanza', `<presence type='unsubscribe' from='${julietAddress}' to='${romeo}'/>`)
  const ended = await stage.ceased.take(({ watcher }) => watcher === julietAddress, PATIENCE_MS)
  settle(
    ended !== undefined,
    ended === undefined ? 'the SIP subscription lives on' : 'became SUBSCRIBE, Expires: 0; the SIP subscription ends',
  )
  sip.unwatch(romeo, julietAddress)
  narrator.line('sip', 'request', `SUBSCRIBE sip:${julietAddress}  Expires: 0`)
  await sipLearns('nothing any more', ({ state }) => state === 'terminated')
  return tally
}
