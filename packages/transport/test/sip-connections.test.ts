import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { VirtualTime, silentLog } from '@stox/kernel'
import { newSipRequest, newSipResponse } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { LoopDelay } from '../src/loop-delay.ts'
import { SipEndpoint } from '../src/sip-endpoint.ts'
import type { SipEndpointOptions, SipRefusalKind, SipTarget } from '../src/sip-endpoint-types.ts'
import { StrangerBudget } from '../src/stranger-budget.ts'
import { cryptoIds, systemClock, systemTimers } from '../src/system.ts'
import { message } from './sip-support.ts'

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(more: Partial<SipEndpointOptions> = {}) {
  const requests: SipRequest[] = []
  const refusals: SipRefusalKind[] = []
  const endpoint = new SipEndpoint({
    listen: ['tcp:127.0.0.1:0'],
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    log: silentLog,
    trusted: () => true,
    on: {
      request: ({ request, respond }) => {
        requests.push(request)
        respond(newSipResponse(request, 200, undefined, { toTag: 'there' }))
      },
      refused: (kind) => refusals.push(kind),
    },
    ...more,
  })
  closers.push(() => endpoint.close())
  const [listener] = await endpoint.listen()
  return { endpoint, requests, refusals, port: listener?.port ?? 0 }
}

/** A server that does with each connection what it is told. */
async function serverThat(does: (socket: Socket, count: number) => void): Promise<SipTarget> {
  let count = 0
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    does(socket, (count += 1))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  closers.push(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { transport: 'tcp', host: '127.0.0.1', port: (server.address() as AddressInfo).port }
}

const answerTo = (request: string): string => {
  const kept = request.split('\r\n').filter((line) => /^(?:Via|From|To|Call-ID|CSeq):/.test(line))
  return ['SIP/2.0 200 OK', ...kept, 'Content-Length: 0', '', ''].join('\r\n')
}

describe('RFC 5626 §3.5.1, §4.4.1: keep-alive', () => {
  test('a ping is answered by a pong', async () => {
    const { port } = await start()
    const socket = connect(port, '127.0.0.1')
    socket.write('\r\n\r\n')
    const [pong] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    expect(pong.toString()).toBe('\r\n')
  })

  test('a connection that we dialled is pinged, and lives on the answer', async () => {
    const pinged = Promise.withResolvers<void>()
    const target = await serverThat((socket) =>
      socket.on('data', (bytes) => {
        if (bytes.toString() !== '\r\n\r\n') return void socket.write(answerTo(bytes.toString()))
        socket.write('\r\n')
        pinged.resolve()
      }),
    )
    const { endpoint } = await start({ limits: { keepAliveMs: 50 } })
    expect(await endpoint.request(message(), target)).toMatchObject({ kind: 'response' })
    await pinged.promise
    expect(endpoint.counts().connections).toBe(1)
  })
})

describe('a connection that breaks', () => {
  test('while a request waits: the same transaction once more on a new one', async () => {
    const branches: (string | undefined)[] = []
    const target = await serverThat((socket, count) =>
      socket.on('data', (bytes) => {
        branches.push(/branch=([^;\r\n]+)/.exec(bytes.toString())?.[1])
        if (count === 1) socket.destroy()
        else socket.write(answerTo(bytes.toString()))
      }),
    )
    const { endpoint } = await start()
    expect(await endpoint.request(message(), target)).toMatchObject({ kind: 'response', response: { status: 200 } })
    expect(branches).toHaveLength(2)
    expect(branches[0]).toBe(branches[1])
  })

  test('between requests: the next one dials again', async () => {
    const target = await serverThat((socket) =>
      socket.on('data', (bytes) => void socket.end(answerTo(bytes.toString()))),
    )
    const { endpoint } = await start()
    for (let at = 0; at < 3; at += 1)
      expect(await endpoint.request(message(), target)).toMatchObject({ kind: 'response' })
  })

  test('again and again: the request fails, and is not sent for ever', async () => {
    let connections = 0
    const target = await serverThat((socket, count) => {
      connections = count
      socket.on('data', () => socket.destroy())
    })
    const { endpoint } = await start()
    expect(await endpoint.request(message(), target)).toMatchObject({ kind: 'failed', cause: 'transport' })
    expect(connections).toBe(2)
  })
})

test('one address has so many connections and no more', async () => {
  const { endpoint, port, refusals } = await start({ limits: { maxConnectionsPerPeer: 2 } })
  const sockets = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  for (const socket of sockets) {
    socket.write('\r\n\r\n')
    await once(socket, 'data')
  }
  const third = connect(port, '127.0.0.1')
  third.on('error', () => undefined)
  await once(third, 'close')
  expect(refusals).toEqual(['sip-connection-limit'])
  expect(endpoint.counts().connections).toBe(2)
  for (const socket of sockets) socket.destroy()
})

describe('RFC 3261 §22: who is not trusted may authenticate', () => {
  const allowing = (accepts: (request: SipRequest) => boolean): Partial<SipEndpointOptions> => ({
    trusted: () => false,
    authenticate: (request) =>
      accepts(request)
        ? { kind: 'accepted' }
        : { kind: 'refused', detail: 'no credentials', response: newSipResponse(request, 401) },
  })

  test('the connection stays open for the answer to the challenge', async () => {
    const server = await start(allowing((request) => request.core.cseq.number > 1))
    const client = await start()
    const target: SipTarget = { transport: 'tcp', host: '127.0.0.1', port: server.port }
    const first = message()
    expect(await client.endpoint.request(first, target)).toMatchObject({ response: { status: 401 } })
    const cseq = { number: 2, method: 'MESSAGE' }
    const second = { ...first, headers: first.headers.with('CSeq', '2 MESSAGE'), core: { ...first.core, cseq } }
    expect(await client.endpoint.request(second, target)).toMatchObject({ response: { status: 200 } })
    expect(server.refusals).toEqual(['sip-unauthenticated'])
    expect(server.endpoint.counts().connections).toBe(1)
  })

  test('§22.1: CANCEL is not challenged', async () => {
    const server = await start(allowing(() => false))
    const client = await start()
    const request = newSipRequest({
      ...message().core,
      maxForwards: 70,
      method: 'CANCEL',
      uri: 'sip:a@b.example',
      cseq: 1,
    })
    const reply = await client.endpoint.request(request, { transport: 'tcp', host: '127.0.0.1', port: server.port })
    expect(reply).toMatchObject({ response: { status: 481 } })
  })
})

test('a stranger is heard a few times a second, and often once somebody there has authenticated', () => {
  const time = new VirtualTime()
  const budget = new StrangerBudget(time, 5)
  const heard = (): number => Array.from({ length: 100 }, () => budget.spend('192.0.2.1')).filter(Boolean).length
  expect(heard()).toBe(5)
  budget.vouch('192.0.2.1')
  expect(heard()).toBe(100)
  time.advance(61_000)
  expect(heard()).toBe(5)
})

test('how late the process runs: one pause is nothing, two in a row are', () => {
  let lateMs = 0
  const time = new VirtualTime()
  const late = new LoopDelay(
    { ...time, wallMs: () => 0, monotonicMs: () => time.monotonicMs() + (lateMs += extra) },
    time,
  )
  let extra = 0
  late.start()
  time.advance(250)
  expect(late.delayMs).toBe(0)
  extra = 2000
  time.advance(250)
  expect(late.delayMs).toBe(0)
  time.advance(250)
  expect(late.delayMs).toBeGreaterThan(1000)
  extra = 0
  time.advance(500)
  expect(late.delayMs).toBe(0)
  late.close()
})

test('RFC 3261 §21.5.4: a process that runs late refuses before it loses anything', async () => {
  // A clock ten times as fast as the timers.
  const clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() * 10 }
  const server = await start({ clock })
  const client = await start()
  const target: SipTarget = { transport: 'tcp', host: '127.0.0.1', port: server.port }
  for (;;) {
    const reply = await client.endpoint.request(message(), target)
    if (reply.kind === 'response' && reply.response.status === 200) continue
    expect(reply).toMatchObject({ kind: 'response', response: { status: 503 } })
    expect(reply.kind === 'response' && reply.response.headers.get('Retry-After')).toMatch(/^[5-9]$/)
    break
  }
  expect(server.refusals[0]).toBe('sip-overload')
})
