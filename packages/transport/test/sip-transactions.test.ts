import { VirtualTime } from '@stox/kernel'
import {
  formatSipMessage,
  nameAddr,
  newSipRequest,
  newSipResponse,
  newSipUri,
  parseSipMessage,
  withVia,
} from '@stox/sip'
import { serverTransactionKey } from '@stox/sip-engine'
import { ClientTransactions } from '../src/sip-client-transactions.ts'
import { ServerTransactions } from '../src/sip-server-transactions.ts'
import type { SipReply } from '../src/sip-endpoint-types.ts'
import { cryptoIds } from '../src/system.ts'
import { network } from './weather.ts'
import type { Weather } from './weather.ts'

const CLIENT = { host: '192.0.2.1', port: 5060 }

interface Outcome {
  readonly replies: Map<string, SipReply[]>
  readonly handedUp: Map<string, number>
  readonly time: VirtualTime
  readonly client: ClientTransactions
  readonly server: ServerTransactions
}

/** So many messages, from one side of the weather to the other, answered after a while. */
function converse(
  count: number,
  seed: number,
  weather: Weather,
  answerAfterMs: (n: number) => number | undefined,
): Outcome {
  const time = new VirtualTime()
  const send = network(time, seed, weather)
  const replies = new Map<string, SipReply[]>()
  const handedUp = new Map<string, number>()
  const client = new ClientTransactions(time, cryptoIds, 10_000)
  const server = new ServerTransactions(time, cryptoIds, { maxServerTransactions: 10_000, maxUnanswered: 10_000 })

  const toClient = (bytes: Uint8Array): void =>
    send(() => {
      const parsed = parseSipMessage(bytes, 'datagram')
      if (parsed.ok && parsed.value.kind === 'response') client.take(parsed.value)
    })
  const toServer = (bytes: Uint8Array, n: number): void =>
    send(() => {
      const parsed = parseSipMessage(bytes, 'datagram')
      if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('our own request')
      const request = parsed.value
      const key = serverTransactionKey(request) ?? ''
      if (server.absorb(key, toClient)) return
      handedUp.set(request.core.callId, (handedUp.get(request.core.callId) ?? 0) + 1)
      const transaction = server.open(key, request, 'datagram', {
        transmit: toClient,
        to: CLIENT,
        unanswered: () => {},
      })
      const afterMs = answerAfterMs(n)
      if (afterMs !== undefined)
        time.arm(afterMs, () => transaction.answer(newSipResponse(request, 200 + (n % 3) * 100)))
    })

  for (let n = 0; n < count; n += 1) {
    const callId = `call-${n}`
    const plain = newSipRequest({
      method: 'MESSAGE',
      uri: 'sip:romeo@montague.example',
      from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, 'j'),
      to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
      callId,
      cseq: 1,
      body: `message ${n}`,
    })
    const branch = `z9hG4bK${n}`
    const request = withVia(plain, {
      transport: 'UDP',
      host: '192.0.2.1',
      port: 5060,
      params: new Map([['branch', branch]]),
    })
    const bytes = formatSipMessage(request)
    replies.set(callId, [])
    time.arm(n * 20, () => {
      client.start({
        branch,
        method: 'MESSAGE',
        carrier: 'datagram',
        transmit: () => toServer(bytes, n),
        done: (reply) => replies.get(callId)?.push(reply),
      })
    })
  }
  time.advance(count * 20 + 120_000)
  return { replies, handedUp, time, client, server }
}

describe.each([
  [0.1, 1],
  [0.2, 2],
  [0.3, 3],
  [0.3, 4],
  [0.3, 5],
])('RFC 3261 §17 with %d lost, as many repeated, swapped up to 400 ms (seed %d)', (loss, seed) => {
  const { replies, handedUp, time, client, server } = converse(
    300,
    seed,
    { loss, repeat: loss, longestMs: 400 },
    (n) => (n % 5) * 900,
  )

  test('every request has exactly one end', () => {
    expect([...replies.values()].every((ends) => ends.length === 1)).toBe(true)
  })

  test('nothing is handed up twice', () => {
    expect([...handedUp.values()].every((times) => times === 1)).toBe(true)
  })

  test('what ended well arrived, and its answer is its own', () => {
    const ends = [...replies].map(([callId, [reply]]) => [callId, reply] as const)
    for (const [callId, reply] of ends) {
      if (reply?.kind !== 'response') continue
      expect(handedUp.get(callId)).toBe(1)
      expect(reply.response.core.callId).toBe(callId)
      expect(reply.response.status).toBe(200 + (Number(callId.slice(5)) % 3) * 100)
    }
    // Eleven tries through 30 % each way: a loss is a miracle.
    expect(ends.filter(([, reply]) => reply?.kind !== 'response')).toEqual([])
    expect(client.retransmitted).toBeGreaterThan(0)
  })

  test('all timers end, nothing is remembered for ever', () => {
    expect([time.armed, client.size, server.size, server.unanswered]).toEqual([0, 0, 0, 0])
  })
})

test('a dead network: Timer F, and no timer left', () => {
  const { replies, time, client, handedUp } = converse(50, 1, { loss: 1, repeat: 0, longestMs: 1 }, () => 0)
  const ends = [...replies.values()].flat()
  expect([
    ends.length,
    ends.every((reply) => reply.kind === 'failed' && reply.cause === 'timeout' && reply.provisional === false),
  ]).toEqual([50, true])
  expect([time.armed, client.size, handedUp.size, client.retransmitted]).toEqual([0, 0, 0, 500])
})

test('RFC 4320 §4.1: who never answers says 100 after 3.5 s, and then nothing', () => {
  const { replies, time, client, server } = converse(20, 1, { loss: 0, repeat: 0, longestMs: 10 }, () => undefined)
  const ends = [...replies.values()].flat()
  expect(
    ends.every((reply) => reply.kind === 'failed' && reply.cause === 'timeout' && reply.provisional === true),
  ).toBe(true)
  expect([time.armed, client.size, server.size, server.unanswered]).toEqual([0, 0, 0, 0])
})

test('closing ends every timer', () => {
  const time = new VirtualTime()
  const client = new ClientTransactions(time, cryptoIds, 10)
  const ends: SipReply[] = []
  client.start({
    branch: 'z9hG4bKx',
    method: 'MESSAGE',
    carrier: 'datagram',
    transmit: () => {},
    done: (reply) => ends.push(reply),
  })
  client.close()
  expect([time.armed, client.size, ends.length]).toEqual([0, 0, 1])
})

test('a send that fails at once ends the transaction at once', () => {
  const time = new VirtualTime()
  const client = new ClientTransactions(time, cryptoIds, 10)
  const ends: SipReply[] = []
  const wire = {
    branch: 'z9hG4bKx',
    method: 'MESSAGE',
    carrier: 'datagram' as const,
    transmit: () => client.fail(wire, 'EMSGSIZE'),
    done: (reply: SipReply) => ends.push(reply),
  }
  client.start(wire)
  expect(ends).toEqual([{ kind: 'failed', cause: 'transport', detail: 'EMSGSIZE' }])
  expect([time.armed, client.size]).toEqual([0, 0])
})
