import { pause, until } from '../src/heard.ts'
import { nobody } from './load-end.ts'
import type { XmppContacts } from './load-contacts.ts'
import type { SipLoad } from './load-sip.ts'
import { sipUserOf } from './load-watched.ts'
import { round } from './measure.ts'

/** So many that ask wait for an answer at once; and so many ask in a second, which is more than are taken. */
const WINDOW = 256
const ASKED_PER_S = 2000
const TICK_MS = 10
const LAST_TOLD_WITHIN_MS = 60_000

/** Who has been told of the presence that he asked for, by the number in its note. */
export class Told {
  readonly #told = new Set<number>()
  readonly #begunMs = performance.now()
  #lastMs = this.#begunMs

  get count(): number {
    return this.#told.size
  }

  get all(): readonly number[] {
    return [...this.#told]
  }

  /** From the beginning to the last of them. */
  get tookS(): number {
    return (this.#lastMs - this.#begunMs) / 1000
  }

  note(subscription: number): void {
    if (this.#told.has(subscription)) return
    this.#told.add(subscription)
    this.#lastMs = performance.now()
  }
}

export interface SetUp {
  readonly asked: number
  readonly told: readonly number[]
  readonly perSecond: number
  /** Were told to come again later, and did: how often. */
  readonly refused: number
}

/** More ask than can be taken; who is sent away comes again when he is told to. Over when each has been told in a NOTIFY. */
export async function subscribeAll(sip: SipLoad, wanted: number, withinMs: number): Promise<SetUp> {
  const begunMs = performance.now()
  const endMs = begunMs + withinMs
  const told = new Told()
  const again = new Map<number, number>()
  const due: { readonly seq: number; readonly atMs: number }[] = []
  let asked = 0
  let unanswered = 0
  let refused = 0
  const ask = (seq: number): void => {
    unanswered += 1
    sip.send(seq, again.get(seq))
  }
  const fill = (): void => {
    const nowMs = performance.now()
    // A few are out of order by a second at most.
    while (unanswered < WINDOW && (due[0]?.atMs ?? Number.POSITIVE_INFINITY) <= nowMs) ask(due.shift()?.seq ?? 0)
    const mayHave = ((nowMs - begunMs) * ASKED_PER_S) / 1000
    for (; unanswered < WINDOW && asked < Math.min(wanted, mayHave) && nowMs < endMs; asked += 1) ask(asked)
    sip.flush()
  }
  sip.listener = {
    arrived: (seq) => told.note(seq),
    accepted() {
      unanswered -= 1
    },
    failed(seq, why, retryAfterS) {
      if (retryAfterS === undefined) throw new Error(`subscription ${seq}: ${why}`)
      unanswered -= 1
      refused += 1
      again.set(seq, (again.get(seq) ?? 0) + 1)
      due.push({ seq, atMs: performance.now() + retryAfterS * 1000 })
    },
  }
  const timer = setInterval(fill, TICK_MS)
  const isOver = (): boolean => told.count >= asked && (asked >= wanted || performance.now() >= endMs)
  await until(`${wanted} subscriptions`, isOver, withinMs + LAST_TOLD_WITHIN_MS, 100).catch(() => undefined)
  clearInterval(timer)
  sip.listener = nobody
  if (told.count === 0) throw new Error('nobody was told of the presence that he asked for')
  return { asked, told: told.all, perSecond: round(told.count / told.tookS, 0), refused }
}

const ASKING = 100

/** A partner's users ask to watch SIP users, one each. */
export async function watchSipUsers(contacts: XmppContacts, wanted: number, withinMs: number): Promise<void> {
  let asked = 0
  let letIn = 0
  const fill = (): void => {
    for (; asked < wanted && asked - letIn < ASKING; asked += 1) contacts.ask(asked, sipUserOf(asked))
    contacts.flush()
  }
  contacts.letIn = () => {
    letIn += 1
    fill()
  }
  fill()
  await until(`${wanted} to be let in`, () => letIn >= wanted, withinMs, 100)
  await pause(500)
}
