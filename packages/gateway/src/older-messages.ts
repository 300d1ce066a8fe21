import type { Clock, Hashes } from '@stox/kernel'
import type { JournalStore, StoredJournalRow } from '@stox/store'
import { bareJid, formatBareJid, parseJid } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { ReportedMessage, ReportsAsked, SipParties } from '@stox/translate'
import { delivered } from './bounce.ts'
import type { SentToXmpp } from './repeats.ts'

/** What is older than this nobody waits for. */
const OLDEST_MS = 24 * 3_600_000
/** Each look reads the filters of a day's rows: whoever makes up ids must not keep the process busy. */
const LOOKS_PER_S = 10
const LONGEST_ID = 1000
const MAC_LENGTH = 32

export interface OlderMessagesDeps {
  readonly clock: Clock
  readonly hashes: Hashes
  readonly journal: Pick<JournalStore, 'find'>
  /** The same after a restart, and in every gateway that shares the store. */
  secret(): string
}

/**
 * Messages of before a restart, for what is said of them after it. The journal knows who wrote to whom. What a SIP user
 * asked to hear of his message stands in the id of its stanza, which comes back with the answer and which nobody else can
 * make: so nothing is kept for it, and any gateway that has the secret can read it. @see mapping B.4, C.9
 */
export class OlderMessages {
  readonly #deps: OlderMessagesDeps
  readonly #startedAtMs: number
  #secondMs = Number.NEGATIVE_INFINITY
  #looks = 0

  constructor(deps: OlderMessagesDeps) {
    this.#deps = deps
    this.#startedAtMs = deps.clock.wallMs()
  }

  /**
   * The id of a stanza that tells what its sender asks. As it was when it would become too long, and where a report has a
   * route to take: the servers inside are nobody's business outside. @see RFC 5438 §14
   */
  idFor(id: string, asks: ReportsAsked, parties: SipParties): string {
    const { messageId, dateTime, delivered: positive, failed, displayed, from, to, route } = asks
    if (route.length > 0) return id
    const wants = [positive && 'p', failed && 'n', displayed && 'd'].filter((one) => one !== false).join('')
    const told = Buffer.from(JSON.stringify([messageId, dateTime, wants, from, to])).toString('base64url')
    const whole = `${id}.${told}.${this.#mac(id, told, parties)}`
    return whole.length > LONGEST_ID ? id : whole
  }

  /** The message of a SIP user (`from`) that had this id; undefined when we do not know it. */
  async sentToXmpp(id: string, { from, to }: SipParties): Promise<SentToXmpp | undefined> {
    const [plain = '', told, mac] = id.split('.')
    if (told !== undefined) {
      if (mac !== this.#mac(plain, told, { from, to })) return undefined
      return { from: bareJid(from), to: bareJid(to), callId: '', asks: asksOf(told), outcome: WAS_DELIVERED }
    }
    const rows = await this.#look({ id })
    // Told already, before the restart.
    if (rows.some((row) => row.direction === 'xmpp-to-sip' && row.outcome === 'delivered')) return undefined
    const row = rows.find(
      (one) => one.direction === 'sip-to-xmpp' && one.outcome === 'delivered' && one.stanzaId === id,
    )
    if (row === undefined || row.from !== formatBareJid(from) || row.to !== formatBareJid(to)) return undefined
    return { from: bareJid(from), to: bareJid(to), callId: row.callId ?? '', asks: undefined, outcome: WAS_DELIVERED }
  }

  /** The message of an XMPP user that asked a SIP user for a report under this id: its own of the journey. */
  async askedOfSip(messageId: string): Promise<ReportedMessage | undefined> {
    const row = (await this.#look({ correlationId: messageId })).find(({ direction }) => direction === 'xmpp-to-sip')
    if (row?.outcome !== 'delivered' || row.stanzaId === null) return undefined
    const [from, to] = [ownJid(row.from), ownJid(row.to)]
    // To which of his devices it was the journal does not say: all of them hear it.
    return from === undefined || to === undefined ? undefined : { from, to, id: row.stanzaId, type: 'chat' }
  }

  /** The id of the last stanza that an XMPP user (`to`) wrote to this SIP user (`from`) in a call of ours. */
  async stanzaInCall(callId: string, { from, to }: SipParties): Promise<string | undefined> {
    const { clock, journal } = this.#deps
    if (!this.#mayLook()) return undefined
    const fromMs = clock.wallMs() - OLDEST_MS
    const { items } = await journal.find({ id: callId, fromMs, limit: 10 })
    const row = items.find(
      (one) =>
        one.callId === callId &&
        one.direction === 'xmpp-to-sip' &&
        one.from === formatBareJid(to) &&
        one.to === formatBareJid(from),
    )
    return row?.stanzaId ?? undefined
  }

  async #look(
    query: { readonly id: string } | { readonly correlationId: string },
  ): Promise<readonly StoredJournalRow[]> {
    const { clock, journal } = this.#deps
    const fromMs = clock.wallMs() - OLDEST_MS
    // What came since the start is in memory, or was too much for it.
    if (fromMs > this.#startedAtMs || !this.#mayLook()) return []
    return (await journal.find({ ...query, fromMs, untilMs: this.#startedAtMs, limit: 10 })).items
  }

  #mayLook(): boolean {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#secondMs >= 1000) {
      this.#secondMs = nowMs
      this.#looks = 0
    }
    this.#looks += 1
    return this.#looks <= LOOKS_PER_S
  }

  #mac(id: string, told: string, { from, to }: SipParties): string {
    const text = `asks ${id} ${told} ${formatBareJid(from)} ${formatBareJid(to)}`
    return this.#deps.hashes.hmacSha256Hex(this.#deps.secret(), text).slice(0, MAC_LENGTH)
  }
}

const WAS_DELIVERED = Promise.resolve(delivered(202))

function ownJid(text: string): Jid | undefined {
  const jid = parseJid(text)
  return jid.ok ? jid.value : undefined
}

/** Written by us: the MAC has been looked at. */
function asksOf(told: string): ReportsAsked {
  const [messageId = '', dateTime = '', wants = '', from = '', to = ''] = JSON.parse(
    Buffer.from(told, 'base64url').toString(),
  ) as string[]
  return {
    messageId,
    dateTime,
    delivered: wants.includes('p'),
    failed: wants.includes('n'),
    displayed: wants.includes('d'),
    from,
    to,
    route: [],
  }
}
