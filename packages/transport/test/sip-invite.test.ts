import { silentLog } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipResponse, newSipUri } from '@stox/sip'
import type { SipRequest, SipResponse } from '@stox/sip'
import { ackInDialog, dialogFromResponse } from '@stox/sip-engine'
import { until } from '@stox/testkit'
import { SipEndpoint } from '../src/sip-endpoint.ts'
import type { IncomingSipRequest, SipEndpointOptions, SipTarget } from '../src/sip-endpoint-types.ts'
import { cryptoIds, systemClock, systemTimers } from '../src/system.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

interface End {
  readonly endpoint: SipEndpoint
  readonly requests: IncomingSipRequest[]
  readonly acks: SipRequest[]
  readonly at: Readonly<Record<'udp' | 'tcp', SipTarget>>
}

/** One end; where sessions are taken it answers as it is told. */
async function start(
  onRequest: (incoming: IncomingSipRequest) => void = () => undefined,
  more: Partial<SipEndpointOptions> = { sessions: () => true },
): Promise<End> {
  const requests: IncomingSipRequest[] = []
  const acks: SipRequest[] = []
  const endpoint = new SipEndpoint({
    listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'],
    ...{ clock: systemClock, timers: systemTimers, ids: cryptoIds, log: silentLog, trusted: () => true },
    on: {
      request: (incoming) => {
        requests.push(incoming)
        onRequest(incoming)
      },
      acknowledged: (ack) => acks.push(ack),
      refused: () => undefined,
    },
    ...more,
  })
  closers.push(() => endpoint.close())
  const [udp, tcp] = await endpoint.listen()
  const target = (transport: 'udp' | 'tcp', port = 0): SipTarget => ({ transport, host: '127.0.0.1', port })
  return { endpoint, requests, acks, at: { udp: target('udp', udp?.port), tcp: target('tcp', tcp?.port) } }
}

const invite = (): SipRequest =>
  newSipRequest({
    method: 'INVITE',
    uri: 'sip:romeo@montague.example',
    from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, 'j1'),
    to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
    callId: cryptoIds.token(),
    cseq: 1,
    headers: [['Contact', '<sip:juliet@127.0.0.1>']],
  })

const answer = ({ request, respond }: IncomingSipRequest, status: number): void =>
  respond(newSipResponse(request, status, undefined, { toTag: 'r1', headers: [['Contact', '<sip:romeo@127.0.0.1>']] }))

const ackFor = (request: SipRequest, response: SipResponse): SipRequest => {
  const dialog = dialogFromResponse(response, request.core.cseq.number, request.uri)
  if (!dialog.ok) throw new Error(dialog.failure.detail)
  return ackInDialog(dialog.value, response.core.cseq.number).request
}

describe.each(['udp', 'tcp'] as const)('INVITE by %s', (transport) => {
  test('§13.2.2.4: 200, and its ACK is handed up as what it is', async () => {
    const callee = await start((incoming) => answer(incoming, 200))
    const caller = await start()
    const request = invite()
    const reply = await caller.endpoint.request(request, callee.at[transport])
    if (reply.kind !== 'response') throw new Error(reply.detail)
    expect(reply.response.status).toBe(200)
    caller.endpoint.acknowledge(ackFor(request, reply.response), callee.at[transport])
    await until(() => callee.acks.length === 1)
    expect([callee.acks[0]?.core.cseq.number, callee.requests.length]).toEqual([1, 1])
  })

  test('§13.3.1.4, RFC 6026 §7.1: the 200 again, and who asked is told again', async () => {
    const callee = await start((incoming) => answer(incoming, 200))
    const caller = await start()
    const again: SipResponse[] = []
    await caller.endpoint.request(invite(), callee.at[transport], { accepted: (response) => again.push(response) })
    const [incoming] = callee.requests
    if (incoming === undefined) throw new Error('no INVITE')
    answer(incoming, 200)
    await until(() => again.length === 1)
    expect(again[0]?.core.to.params.get('tag')).toBe('r1')
  })

  test('§17.1.1.3: a refusal is acknowledged by the transaction, and nobody hears of that', async () => {
    const callee = await start((incoming) => answer(incoming, 486))
    const caller = await start()
    const reply = await caller.endpoint.request(invite(), callee.at[transport])
    expect(reply.kind === 'response' && reply.response.status).toBe(486)
    // Without its ACK the refusal would be kept for 32 s.
    await until(() => callee.endpoint.counts().serverTransactions === 0)
    expect(callee.acks).toEqual([])
  })

  test('§9.1, §9.2: who is asked too long is asked no more: CANCEL, 487', async () => {
    const callee = await start()
    const caller = await start()
    const reply = await caller.endpoint.request(invite(), callee.at[transport], { patienceMs: 400 })
    expect(reply.kind === 'response' && reply.response.status).toBe(487)
    const [incoming] = callee.requests
    expect([callee.requests.length, incoming?.isCancelled?.()]).toEqual([1, true])
    // Too late, and without effect.
    if (incoming !== undefined) answer(incoming, 200)
    expect(caller.endpoint.counts().clientTransactions).toBeLessThanOrEqual(2)
  })
})

test('what belongs to sessions is 405 where there are none, with what is taken', async () => {
  const callee = await start(undefined, {})
  const caller = await start()
  for (const method of ['INVITE', 'BYE', 'INFO']) {
    const request = { ...invite(), method }
    const asked = {
      ...request,
      core: { ...request.core, cseq: { number: 1, method } },
      headers: request.headers.with('CSeq', `1 ${method}`),
    }
    const reply = await caller.endpoint.request(asked, callee.at.udp)
    expect(reply.kind === 'response' && [reply.response.status, reply.response.headers.get('Allow')]).toEqual([
      405,
      'MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS',
    ])
  }
  expect(callee.requests).toEqual([])
})

test('§8.2.2.2: the same INVITE by another way is 482', async () => {
  const callee = await start()
  const [one, other] = [await start(), await start()]
  const request = invite()
  const first = one.endpoint.request(request, callee.at.udp)
  await until(() => callee.requests.length === 1)
  const second = await other.endpoint.request(request, callee.at.udp)
  expect(second.kind === 'response' && second.response.status).toBe(482)
  const [incoming] = callee.requests
  if (incoming !== undefined) answer(incoming, 200)
  const reply = await first
  expect(reply.kind === 'response' && reply.response.status).toBe(200)
})

test('too many INVITEs: 503 with Retry-After, and nothing of it is kept', async () => {
  const callee = await start(undefined, { sessions: () => true, limits: { maxInvites: 1 } })
  const caller = await start()
  void caller.endpoint.request(invite(), callee.at.udp)
  await until(() => callee.requests.length === 1)
  const reply = await caller.endpoint.request(invite(), callee.at.udp)
  expect(reply.kind === 'response' && [reply.response.status, reply.response.headers.has('Retry-After')]).toEqual([
    503,
    true,
  ])
  expect(callee.requests).toHaveLength(1)
})
