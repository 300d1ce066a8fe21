import { fail, VirtualTime } from '@stox/kernel'
import type { Timer } from '@stox/kernel'
import {
  formatSipMessage,
  nameAddr,
  newSipRequest,
  newSipResponse,
  newSipUri,
  parseSipMessage,
  withVia,
} from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import {
  acceptSession,
  advanceSession,
  dialogKey,
  dialogKeyOf,
  openSession,
  serverTransactionKey,
  sessionKey,
} from '@stox/sip-engine'
import type { SessionContext, SessionInput, SessionState, SessionStep, SessionTimer } from '@stox/sip-engine'
import { ClientTransactions } from '../src/sip-client-transactions.ts'
import type { SipReply } from '../src/sip-endpoint-types.ts'
import { InviteClients } from '../src/sip-invite-clients.ts'
import { InviteServers } from '../src/sip-invite-servers.ts'
import { ServerTransactions } from '../src/sip-server-transactions.ts'
import { cryptoIds } from '../src/system.ts'
import { network } from './weather.ts'
import type { Weather } from './weather.ts'

const CONTEXT: SessionContext = { idleMs: 600_000, answerTo: () => fail({ status: 488 }) }

interface Live {
  state: SessionState
  readonly timers: Map<SessionTimer, Timer>
  /** What each thing that was said came to. */
  readonly results: string[]
  readonly heard: string[]
  waiting: string[]
  respond: ((response: SipResponse) => void) | undefined
  ended: string | undefined
}

/** Tables, sessions and a wire: one end of the weather. */
class End {
  readonly sessions = new Map<string, Live>()
  readonly clients: ClientTransactions
  readonly servers: ServerTransactions
  readonly callers: InviteClients
  readonly callees: InviteServers
  readonly #time: VirtualTime
  readonly #name: string
  readonly #transmit: (bytes: Uint8Array) => void
  readonly #onInvite: (end: End, request: SipRequest, answer: (response: SipResponse) => void) => void
  #branches = 0

  constructor(
    time: VirtualTime,
    name: string,
    transmit: (bytes: Uint8Array) => void,
    onInvite: (end: End, request: SipRequest, answer: (response: SipResponse) => void) => void,
  ) {
    this.#time = time
    this.#name = name
    this.#transmit = transmit
    this.#onInvite = onInvite
    this.clients = new ClientTransactions(time, cryptoIds, 100_000)
    this.servers = new ServerTransactions(time, cryptoIds, { maxServerTransactions: 100_000, maxUnanswered: 100_000 })
    this.callers = new InviteClients(time, 100_000, this.clients)
    this.callees = new InviteServers(time)
  }

  invite(request: SipRequest, says: readonly string[]): Live {
    return this.follow(this.#live(says), openSession(request))
  }

  accept(request: SipRequest, tag: string, says: readonly string[], answer: (response: SipResponse) => void): Live {
    const live = this.#live(says)
    live.respond = answer
    const contact = `<sip:${this.#name}@192.0.2.2>`
    const step = acceptSession(
      request,
      tag,
      { headers: [['Contact', contact]], contentType: 'application/sdp', body: 'v=0\r\n' },
      CONTEXT,
    )
    if (!step.ok) throw new Error(step.failure.detail)
    return this.follow(live, step.value)
  }

  #live(says: readonly string[]): Live {
    return {
      state: undefined as never,
      timers: new Map(),
      results: [],
      heard: [],
      waiting: [...says],
      respond: undefined,
      ended: undefined,
    }
  }

  input(live: Live, input: SessionInput): void {
    this.follow(live, advanceSession(live.state, input, CONTEXT))
  }

  /** One thing at a time, and then good-bye, where there was something to say. */
  next(live: Live): void {
    const text = live.waiting.shift()
    if (text === undefined) return
    if (text === 'BYE') return this.input(live, { kind: 'end', reason: 'gone' })
    this.input(live, { kind: 'say', method: 'MESSAGE', content: { contentType: 'text/plain', body: text } })
  }

  follow(live: Live, step: SessionStep): Live {
    live.state = step.state
    this.sessions.set(sessionKey(step.state), live)
    for (const effect of step.effects) {
      switch (effect.kind) {
        case 'send-invite':
          this.send(
            effect.request,
            (reply) => {
              if (reply.kind === 'response' && reply.response.status < 300)
                this.input(live, { kind: 'accepted', response: reply.response })
              else this.input(live, { kind: 'refused' })
            },
            (response) => this.input(live, { kind: 'accepted', response }),
          )
          break
        case 'send-ack':
          this.#transmit(formatSipMessage(this.#withVia(effect.request)))
          break
        case 'send-bye':
          this.send(effect.request, () => undefined)
          break
        case 'send': {
          const { body } = effect.request
          this.send(effect.request, (reply) => {
            live.results.push(`${text(body)}: ${reply.kind === 'response' ? reply.response.status : reply.cause}`)
            this.input(live, { kind: 'reply', reply })
            this.next(live)
          })
          break
        }
        case 'respond':
        case 'accept':
          live.respond?.(effect.response)
          break
        case 'pass':
          live.heard.push(text(effect.request.body))
          live.respond?.(newSipResponse(effect.request, 200))
          break
        case 'arm-timer': {
          const { timer } = effect
          live.timers.get(timer)?.cancel()
          live.timers.set(
            timer,
            this.#time.arm(effect.afterMs, () => this.input(live, { kind: 'timer', timer })),
          )
          break
        }
        case 'cancel-timer':
          live.timers.get(effect.timer)?.cancel()
          break
        case 'report-open':
          this.#time.arm(0, () => this.next(live))
          break
        case 'report-end':
          live.ended = `${effect.end.reason} by ${effect.end.by}`
          break
      }
    }
    return live
  }

  send(
    request: SipRequest,
    done: (reply: SipReply) => void,
    accepted: (response: SipResponse) => void = () => undefined,
  ): void {
    const sent = this.#withVia(request)
    const branch = sent.core.vias[0]?.params.get('branch') ?? ''
    const bytes = formatSipMessage(sent)
    const wire = { branch, carrier: 'datagram', done, method: request.method } as const
    if (request.method === 'INVITE')
      this.callers.start({
        ...wire,
        invite: sent,
        patienceMs: 20_000,
        accepted,
        transmit: (one) => this.#transmit(one),
      })
    else this.clients.start({ ...wire, transmit: () => this.#transmit(bytes) })
  }

  take(bytes: Uint8Array): void {
    const parsed = parseSipMessage(bytes, 'datagram')
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    const message = parsed.value
    if (message.kind === 'response') {
      if (!this.clients.take(message)) this.callers.take(message)
      return
    }
    const key = serverTransactionKey(message) ?? ''
    const transmit = this.#transmit
    const to = { host: '192.0.2.1', port: 5060 }
    if (message.method === 'ACK') {
      if (this.callees.acknowledge(key)) return
      const live = this.sessions.get(dialogKeyOf(message) ?? '')
      if (live !== undefined) this.input(live, { kind: 'ack', request: message })
      return
    }
    if (this.servers.absorb(key, transmit) || this.callees.absorb(key)) return
    if (message.method === 'CANCEL') {
      const invite = serverTransactionKey(message, 'INVITE') ?? ''
      const known = this.callees.has(invite)
      transmit(formatSipMessage(newSipResponse(message, known ? 200 : 481, undefined, { toTag: 'x' })))
      this.callees.cancel(invite)
      return
    }
    if (message.method === 'INVITE') {
      const opened = this.callees.open(key, message, 'datagram', { transmit, to, unanswered: () => undefined })
      return this.#onInvite(this, message, (response) => opened.answer(response))
    }
    const transaction = this.servers.open(key, message, 'datagram', { transmit, to, unanswered: () => undefined })
    const live = this.sessions.get(dialogKeyOf(message) ?? '')
    if (live === undefined) return transaction.answer(newSipResponse(message, 481))
    const before = live.respond
    live.respond = (response) => transaction.answer(response)
    this.input(live, { kind: 'request', request: message })
    live.respond = before
  }

  get left(): readonly number[] {
    return [this.clients, this.servers, this.callers, this.callees].map(({ size }) => size)
  }

  #withVia(request: SipRequest): SipRequest {
    const branch = `z9hG4bK${this.#name}${(this.#branches += 1)}`
    return withVia(request, { transport: 'UDP', host: '192.0.2.1', port: 5060, params: new Map([['branch', branch]]) })
  }
}

const text = (body: Uint8Array): string => Buffer.from(body).toString()

/** Every fifth is refused, every fifth never answered; the rest is accepted sooner or later, and both sides talk. */
function converse(count: number, seed: number, weather: Weather) {
  const time = new VirtualTime()
  const send = network(time, seed, weather)
  const handedUp = new Map<string, number>()
  const juliet: End = new End(
    time,
    'juliet',
    (bytes) => send(() => romeo.take(bytes)),
    () => undefined,
  )
  const romeo: End = new End(
    time,
    'romeo',
    (bytes) => send(() => juliet.take(bytes)),
    (end, request, answer) => {
      const n = Number(request.core.callId.slice(5))
      handedUp.set(request.core.callId, (handedUp.get(request.core.callId) ?? 0) + 1)
      if (n % 5 === 4) return
      time.arm((n % 3) * 700, () => {
        if (n % 5 === 3) return answer(newSipResponse(request, 486, undefined, { toTag: `r${n}` }))
        end.accept(request, `r${n}`, ['r-1', 'r-2'], answer)
      })
    },
  )
  const calls = Array.from({ length: count }, (_none, n) => {
    const invite = newSipRequest({
      method: 'INVITE',
      uri: 'sip:romeo@montague.example',
      from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, `j${n}`),
      to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
      callId: `call-${n}`,
      cseq: 1,
      headers: [['Contact', '<sip:juliet@192.0.2.1>']],
    })
    return { n, live: juliet.invite(invite, ['j-1', 'j-2', 'j-3', ...(n % 2 === 0 ? ['BYE'] : [])]) }
  })
  time.advance(900_000)
  const pairs = calls.map(({ n, live }) => ({
    n,
    juliet: live,
    romeo: romeo.sessions.get(dialogKey(`call-${n}`, `r${n}`)),
  }))
  return { time, pairs, handedUp, left: [...juliet.left, ...romeo.left] }
}

describe.each([
  [0.1, 1],
  [0.2, 2],
  [0.3, 3],
  [0.3, 4],
])('RFC 3261 §13 to §15, §17 with %d lost, as many repeated, swapped up to 400 ms (seed %d)', (loss, seed) => {
  const { time, pairs, handedUp, left } = converse(80, seed, { loss, repeat: loss, longestMs: 400 })
  const accepted = pairs.filter(({ n }) => n % 5 < 3)

  test('no INVITE is handed up twice', () => {
    expect([...handedUp.values()].every((times) => times === 1)).toBe(true)
  })

  test('what was refused, or cancelled, is so on both sides', () => {
    const others = pairs.filter(({ n }) => n % 5 >= 3)
    expect(new Set(others.map((pair) => pair.juliet.ended))).toEqual(new Set(['refused by peer']))
    expect(others.every((pair) => pair.romeo === undefined)).toBe(true)
  })

  test('every session that was accepted ends on both sides', () => {
    const how = accepted.map((pair) => [pair.juliet.ended, pair.romeo?.ended])
    expect(how.filter((ends) => ends.includes(undefined))).toEqual([])
    // So often is a 2xx repeated that the loss of all is a miracle, and so is that of its ACKs.
    expect(accepted.filter(({ juliet }) => juliet.ended === 'refused by peer')).toEqual([])
    expect(accepted.filter(({ romeo }) => romeo?.ended?.startsWith('unacknowledged') === true)).toEqual([])
  })

  test('nothing is heard twice or out of order, and what was answered was heard', () => {
    for (const { juliet, romeo } of accepted) {
      for (const [speaker, hearer] of [
        [juliet, romeo],
        [romeo, juliet],
      ] as const) {
        const heard = hearer?.heard ?? []
        expect(heard).toEqual([...new Set(heard)].sort())
        const answered = (speaker?.results ?? []).filter((one) => one.endsWith(': 200')).map((one) => one.slice(0, -5))
        expect(answered.filter((one) => !heard.includes(one))).toEqual([])
      }
    }
    // Losses are healed: nearly all that was said in an open session arrived.
    const said = accepted.flatMap(({ juliet }) => juliet.results)
    expect(said.filter((one) => one.endsWith(': 200')).length / said.length).toBeGreaterThan(0.95)
  })

  test('all timers end, nothing is remembered for ever', () => {
    expect([time.armed, ...left]).toEqual(Array(9).fill(0))
  })
})

test('a dead network: Timer B, and no timer left', () => {
  const { time, pairs, left, handedUp } = converse(20, 1, { loss: 1, repeat: 0, longestMs: 1 })
  expect(new Set(pairs.map(({ juliet }) => juliet.ended))).toEqual(new Set(['refused by peer']))
  expect([handedUp.size, time.armed, ...left]).toEqual(Array(10).fill(0))
})
