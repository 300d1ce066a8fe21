import { until } from './heard.ts'
import { statusOf } from './sip-text.ts'
import type { SipUser, Watch } from './sip-user.ts'
import type { XmppUser } from './xmpp-user.ts'

/** Longer than a SIP transaction and than what an edge may hold a stanza for. */
const LAST_OUTCOME_WITHIN_MS = 45_000

/** Both ask to see the other, both say yes, both see the other. */
export async function becomeFriends(person: XmppUser, phone: SipUser): Promise<Watch> {
  const address = phone.aor.slice('sip:'.length)
  await phone.publish({ basic: 'open' })
  person.subscribe(address)
  await person.hearsPresence(address, { type: 'subscribed' })
  await person.hearsPresence(address, { type: '' })
  const watch = await phone.watch(`sip:${person.bare}`)
  await person.hearsPresence(address, { type: 'subscribe' })
  person.approve(address)
  await watch.notified('presence', (one) => one.state === 'active' && one.basics.includes('open'))
  return watch
}

interface OneWay {
  readonly sent: number
  readonly delivered: number
  /** The sender was told that it failed. */
  readonly refused: number
  /** Neither arrived nor failed, as far as its sender knows. */
  readonly withoutOutcome: readonly string[]
  /** Accepted from the sender, and never arrived. */
  readonly acceptedAndLost: readonly string[]
  readonly twice: readonly string[]
}

/** Messages in both directions at a steady pace, each with its outcome. */
export class Traffic {
  readonly #person: XmppUser
  readonly #phone: SipUser
  readonly #timer: NodeJS.Timeout
  readonly #name = Math.random().toString(36).slice(2, 8)
  readonly #toSip: { readonly id: string; readonly body: string }[] = []
  readonly #toXmpp: { readonly body: string; readonly status: Promise<number | undefined> }[] = []

  constructor(person: XmppUser, phone: SipUser, everyMs: number) {
    this.#person = person
    this.#phone = phone
    this.#timer = setInterval(() => this.#sendBoth(), everyMs)
  }

  #sendBoth(): void {
    const body = `${this.#name} ${this.#toSip.length}`
    const id = this.#person.message(this.#phone.aor.slice('sip:'.length), body)
    this.#toSip.push({ id, body })
    const status = this.#phone.message(`sip:${this.#person.bare}`, body).then(statusOf, () => undefined)
    this.#toXmpp.push({ body, status })
  }

  /** Stops sending and waits until each message has its outcome, as long as one may take. */
  async stop(lastOutcomeWithinMs = LAST_OUTCOME_WITHIN_MS): Promise<{ toSip: OneWay; toXmpp: OneWay }> {
    clearInterval(this.#timer)
    const statuses = await Promise.all(this.#toXmpp.map(async ({ body, status }) => ({ body, status: await status })))
    await until('the last outcomes', () => this.#openToSip().length === 0, lastOutcomeWithinMs, 100).catch(
      () => undefined,
    )
    const accepted = statuses.filter(({ status }) => status !== undefined && status < 300)
    // 202 says that it is on a stream: the far server may still have it in its hands.
    await until('what is on its way', () => accepted.every(({ body }) => this.#heard().has(body)), 3000, 100).catch(
      () => undefined,
    )
    const counts = this.#heard()
    const arrivedBySip = countOf(this.#phone.heard.all.map((one) => one.body))
    const errors = this.#errors()
    return {
      toSip: {
        sent: this.#toSip.length,
        delivered: this.#toSip.filter(({ body }) => arrivedBySip.has(body)).length,
        refused: this.#toSip.filter(({ id }) => errors.has(id)).length,
        withoutOutcome: this.#openToSip(),
        acceptedAndLost: [],
        twice: this.#toSip.map(({ body }) => body).filter((body) => (arrivedBySip.get(body) ?? 0) > 1),
      },
      toXmpp: {
        sent: statuses.length,
        delivered: statuses.filter(({ body }) => counts.has(body)).length,
        refused: statuses.filter(({ status }) => status !== undefined && status >= 300).length,
        withoutOutcome: statuses.filter(({ status }) => status === undefined).map(({ body }) => body),
        acceptedAndLost: accepted.filter(({ body }) => !counts.has(body)).map(({ body }) => body),
        twice: statuses.map(({ body }) => body).filter((body) => (counts.get(body) ?? 0) > 1),
      },
    }
  }

  describe(sums: { toSip: OneWay; toXmpp: OneWay }): string {
    const line = (name: string, way: OneWay): string =>
      `${name}: ${way.sent} sent, ${way.delivered} delivered, ${way.refused} refused, ${way.withoutOutcome.length} without an outcome, ` +
      `${way.acceptedAndLost.length} accepted and lost, ${way.twice.length} twice`
    return `${line('XMPP to SIP', sums.toSip)}; ${line('SIP to XMPP', sums.toXmpp)}`
  }

  /** The bodies that came to the XMPP user, each with how often. */
  #heard(): ReadonlyMap<string, number> {
    return countOf(
      this.#person.heard.all
        .filter((seen) => seen.kind === 'message' && seen.type !== 'error')
        .map((seen) => seen.body ?? ''),
    )
  }

  #errors(): ReadonlySet<string> {
    return new Set(this.#person.heard.all.filter((seen) => seen.type === 'error').map((seen) => seen.id ?? ''))
  }

  #openToSip(): readonly string[] {
    const arrived = new Set(this.#phone.heard.all.map((one) => one.body))
    const errors = this.#errors()
    return this.#toSip.filter(({ id, body }) => !arrived.has(body) && !errors.has(id)).map(({ body }) => body)
  }
}

function countOf(bodies: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const body of bodies) counts.set(body, (counts.get(body) ?? 0) + 1)
  return counts
}
