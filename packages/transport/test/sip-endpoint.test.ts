import { until } from '@stox/testkit'
import { createSocket } from 'node:dgram'
import type { Socket as DatagramSocket } from 'node:dgram'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { silentLog, chanceFrom } from '@stox/kernel'
import { nameAddr, newSipRequest, newSipResponse, newSipUri, parseSipMessage } from '@stox/sip'
import type { SipMessage, SipRequest } from '@stox/sip'
import { SipEndpoint } from '../src/sip-endpoint.ts'
import type {
  IncomingSipRequest,
  SipEndpointOptions,
  SipRefusal,
  SipRefusalKind,
  SipTarget,
} from '../src/sip-endpoint-types.ts'
import { cryptoIds, systemClock, systemTimers } from '../src/system.ts'

interface Harness {
  readonly endpoint: SipEndpoint
  readonly requests: IncomingSipRequest[]
  readonly refusals: (readonly [SipRefusalKind, SipRefusal])[]
  readonly udp: SipTarget
  readonly tcp: SipTarget
}

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function start(
  onRequest?: (incoming: IncomingSipRequest) => void,
  more: Partial<SipEndpointOptions> = {},
): Promise<Harness> {
  const requests: IncomingSipRequest[] = []
  const refusals: (readonly [SipRefusalKind, SipRefusal])[] = []
  const endpoint = new SipEndpoint({
    listen: ['udp:127.0.0.1:0', 'tcp:127.0.0.1:0'],
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    log: silentLog,
    trusted: () => true,
    on: {
      request: (incoming) => {
        requests.push(incoming)
        onRequest?.(incoming)
      },
      refused: (kind, refusal) => refusals.push([kind, refusal]),
    },
    ...more,
  })
  closers.push(() => endpoint.close())
  const [udp, tcp] = await endpoint.listen()
  return {
    endpoint,
    requests,
    refusals,
    udp: { transport: 'udp', host: '127.0.0.1', port: udp?.port ?? 0 },
    tcp: { transport: 'tcp', host: '127.0.0.1', port: tcp?.port ?? 0 },
  }
}

let nextCall = 0
const message = (body = 'Art thou there?', method = 'MESSAGE'): SipRequest =>
  newSipRequest({
    method,
    uri: 'sip:romeo@montague.example',
    from: nameAddr(newSipUri({ user: 'juliet', host: 'capulet.example' }), undefined, 'j1'),
    to: nameAddr(newSipUri({ user: 'romeo', host: 'montague.example' })),
    callId: `call-${(nextCall += 1)}`,
    cseq: 1,
    contentType: 'text/plain',
    body,
  })

const raw = (changes: Readonly<Record<string, string | undefined>> = {}, body = 'hi', method = 'MESSAGE'): string => {
  const startLine = changes['start'] ?? `${method} sip:romeo@montague.example SIP/2.0`
  const headers: Record<string, string | undefined> = {
    Via: `SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK${(nextCall += 1)}`,
    'Max-Forwards': '70',
    From: '<sip:juliet@capulet.example>;tag=j1',
    To: '<sip:romeo@montague.example>',
    'Call-ID': `raw-${nextCall}`,
    CSeq: `1 ${method}`,
    'Content-Length': String(Buffer.byteLength(body)),
    ...changes,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || name === 'start' ? [] : [`${name}: ${value}`],
  )
  return `${startLine}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}

/** A peer without a stack: datagrams in the order in which they come. */
async function rawPeer(): Promise<{
  socket: DatagramSocket
  port: number
  next(): Promise<string>
  silence(ms: number): Promise<string[]>
}> {
  const socket = createSocket('udp4')
  const queue: string[] = []
  const waiting: ((text: string) => void)[] = []
  socket.on('message', (bytes) => {
    const text = bytes.toString('latin1')
    const waiter = waiting.shift()
    if (waiter === undefined) queue.push(text)
    else waiter(text)
  })
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve)
  })
  closers.push(
    () =>
      new Promise<void>((resolve) => {
        socket.close(() => resolve())
      }),
  )
  return {
    socket,
    port: socket.address().port,
    next: () =>
      new Promise((resolve) => {
        const text = queue.shift()
        if (text === undefined) waiting.push(resolve)
        else resolve(text)
      }),
    silence: async (ms) => {
      await new Promise((resolve) => {
        setTimeout(resolve, ms)
      })
      return queue.splice(0)
    },
  }
}

/** Gathers what a stream says until it has seen `count` messages, or its end. */
function readStream(socket: Socket, count: number): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      if (text.split('SIP/2.0 ').length - 1 >= count) resolve(text)
    })
    socket.on('close', () => resolve(text))
  })
}

async function dial(target: SipTarget): Promise<Socket> {
  const socket = connect(target.port, target.host)
  socket.on('error', () => {})
  closers.push(() => {
    socket.destroy()
  })
  await new Promise((resolve) => {
    socket.once('connect', resolve)
  })
  return socket
}

const statusOf = (text: string): number => Number(/^SIP\/2\.0 (\d+)/.exec(text)?.[1])
const parsed = (text: string): SipMessage => {
  const result = parseSipMessage(Buffer.from(text, 'latin1'), 'datagram')
  if (!result.ok) throw new Error(result.failure.detail)
  return result.value
}

describe('a request and its answer', () => {
  test.each(['udp', 'tcp'] as const)('by %s', async (transport) => {
    const server = await start(({ request, respond }) =>
      respond(newSipResponse(request, 202, undefined, { toTag: 'r1' })),
    )
    const client = await start()
    const reply = await client.endpoint.request(message('Grüße & <3 👋\r\nzwei'), server[transport])
    if (reply.kind !== 'response') throw new Error(reply.detail)
    expect(reply.response.status).toBe(202)
    expect(reply.response.core.to.params.get('tag')).toBe('r1')
    const [incoming] = server.requests
    expect(Buffer.from(incoming?.request.body ?? []).toString('utf8')).toBe('Grüße & <3 👋\r\nzwei')
    expect(incoming?.flow.transport).toBe(transport)
    expect(incoming?.request.core.vias[0]?.params.get('branch')).toMatch(/^z9hG4bK[a-z0-9]{32}$/)
    expect(server.endpoint.counts().unanswered).toBe(0)
  })

  test('a thousand at once by one connection', async () => {
    const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
    const client = await start()
    const replies = await Promise.all(
      Array.from({ length: 1000 }, () => client.endpoint.request(message(), server.tcp)),
    )
    expect(replies.every((reply) => reply.kind === 'response' && reply.response.status === 200)).toBe(true)
    expect([server.requests.length, server.endpoint.counts().connections]).toEqual([1000, 1])
  })

  test('RFC 3261 §17.2.2: a retransmission gets the identical answer, and is handed up once', async () => {
    const server = await start(({ request, respond }) =>
      respond(newSipResponse(request, 200, undefined, { toTag: cryptoIds.token() })),
    )
    const peer = await rawPeer()
    const text = raw()
    const answers: string[] = []
    for (let n = 0; n < 3; n += 1) {
      peer.socket.send(text, server.udp.port, '127.0.0.1')
      answers.push(await peer.next())
    }
    expect(new Set(answers).size).toBe(1)
    expect(server.requests).toHaveLength(1)
    expect(server.endpoint.counts()).toMatchObject({ absorbed: 2, retransmitted: 2 })
  })

  test('RFC 3261 §17.2.3: the same branch from another sender or with another method is another request', async () => {
    const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
    const peer = await rawPeer()
    const via = (port: number): string => `SIP/2.0/UDP 127.0.0.1:${port};rport;branch=z9hG4bKsame`
    for (const text of [raw({ Via: via(1) }), raw({ Via: via(2) }), raw({ Via: via(1) }, '', 'OPTIONS')]) {
      peer.socket.send(text, server.udp.port, '127.0.0.1')
      await peer.next()
    }
    expect(server.requests).toHaveLength(3)
  })

  test('an unanswered request swallows its copies', async () => {
    const server = await start()
    const peer = await rawPeer()
    const text = raw()
    for (let n = 0; n < 3; n += 1) peer.socket.send(text, server.udp.port, '127.0.0.1')
    expect(await peer.silence(100)).toEqual([])
    server.requests[0]?.respond(newSipResponse(server.requests[0].request, 404))
    expect(statusOf(await peer.next())).toBe(404)
    server.requests[0]?.respond(newSipResponse(server.requests[0].request, 200))
    expect(await peer.silence(50)).toEqual([])
  })

  test('a lost request is sent again, and its answer ends the sending', async () => {
    const client = await start()
    const peer = await rawPeer()
    const reply = client.endpoint.request(message(), { transport: 'udp', host: '127.0.0.1', port: peer.port })
    const first = await peer.next()
    const second = await peer.next()
    expect(second).toBe(first)
    const request = parsed(second)
    if (request.kind !== 'request') throw new Error('not a request')
    const { host, port } = { host: '127.0.0.1', port: client.udp.port }
    const answer = Buffer.from(
      `SIP/2.0 200 OK\r\nVia: ${request.headers.get('Via')}\r\nFrom: ${request.headers.get('From')}\r\n` +
        `To: ${request.headers.get('To')};tag=r\r\nCall-ID: ${request.core.callId}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n`,
      'latin1',
    )
    peer.socket.send(answer, port, host)
    peer.socket.send(answer, port, host)
    expect(await reply).toMatchObject({ kind: 'response', response: { status: 200 } })
    expect(await peer.silence(1200)).toEqual([])
    expect(client.endpoint.counts()).toMatchObject({ retransmitted: 1, absorbed: 1 })
  })

  test('RFC 3581: the answer goes to where the request came from', async () => {
    const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
    const peer = await rawPeer()
    peer.socket.send(raw({ Via: 'SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bKnat' }), server.udp.port, '127.0.0.1')
    expect(await peer.next()).toContain(`received=127.0.0.1`)
    expect(server.requests[0]?.request.core.vias[0]?.params.get('rport')).toBe(String(peer.port))
  })

  test('RFC 3261 §18.2.2: when its connection is gone, the answer takes a new one to the sent-by', async () => {
    const server = await start()
    const listener = createServer()
    const heard = new Promise<string>((resolve) => {
      listener.on('connection', (socket) => {
        closers.push(() => {
          socket.destroy()
        })
        socket.on('data', (bytes) => resolve(bytes.toString('latin1')))
      })
    })
    await new Promise<void>((resolve) => {
      listener.listen(0, '127.0.0.1', resolve)
    })
    closers.push(
      () =>
        new Promise<void>((resolve) => {
          listener.close(() => resolve())
        }),
    )
    const { port } = listener.address() as AddressInfo
    const socket = await dial(server.tcp)
    socket.write(raw({ Via: `SIP/2.0/TCP 127.0.0.1:${port};branch=z9hG4bKgone` }))
    await until(() => server.requests.length === 1)
    socket.destroy()
    await until(() => server.endpoint.counts().connections === 0)
    server.requests[0]?.respond(newSipResponse(server.requests[0].request, 200))
    expect(statusOf(await heard)).toBe(200)
  })
})

describe('what cannot be sent', () => {
  test('a closed port: transport, at once', async () => {
    const client = await start()
    const reply = await client.endpoint.request(message(), { transport: 'tcp', host: '127.0.0.1', port: 1 })
    expect(reply).toMatchObject({ kind: 'failed', cause: 'transport', detail: 'ECONNREFUSED' })
    expect(client.endpoint.counts().clientTransactions).toBe(0)
  })

  test('a connection that breaks before the answer: transport', async () => {
    const server = await start()
    const client = await start()
    const reply = client.endpoint.request(message(), server.tcp)
    await until(() => server.requests.length === 1)
    await server.endpoint.close()
    expect(await reply).toMatchObject({ kind: 'failed', cause: 'transport' })
  })

  test('RFC 3261 §18.1.1: over 1300 bytes by TCP, by UDP when TCP is refused or the path is safe', async () => {
    const both = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
    const onlyUdp = await start(({ request, respond }) => respond(newSipResponse(request, 200)), {
      listen: ['udp:127.0.0.1:0'],
    })
    const client = await start()
    await client.endpoint.request(message('x'.repeat(4000)), both.udp)
    await client.endpoint.request(message('x'.repeat(4000)), both.udp, { congestionSafe: true })
    await client.endpoint.request(message('x'.repeat(4000)), onlyUdp.udp)
    expect(both.requests.map(({ flow }) => flow.transport)).toEqual(['tcp', 'udp'])
    expect(both.requests.map(({ request }) => request.core.vias[0]?.transport)).toEqual(['TCP', 'UDP'])
    expect(onlyUdp.requests.map(({ flow }) => flow.transport)).toEqual(['udp'])
  })

  test('no datagram is that large', async () => {
    const client = await start()
    const reply = await client.endpoint.request(
      message('x'.repeat(70_000)),
      { transport: 'udp', host: '127.0.0.1', port: 9 },
      { congestionSafe: true },
    )
    expect(reply).toMatchObject({ kind: 'failed', cause: 'transport' })
  })

  test('a full table says so', async () => {
    const client = await start(undefined, { limits: { maxClientTransactions: 1 } })
    const peer = await rawPeer()
    const target: SipTarget = { transport: 'udp', host: '127.0.0.1', port: peer.port }
    void client.endpoint.request(message(), target)
    expect(await client.endpoint.request(message(), target)).toMatchObject({ kind: 'failed', cause: 'overload' })
  })

  test('close ends what waits', async () => {
    const client = await start()
    const peer = await rawPeer()
    const reply = client.endpoint.request(message(), { transport: 'udp', host: '127.0.0.1', port: peer.port })
    await client.endpoint.close()
    expect(await reply).toMatchObject({ kind: 'failed', cause: 'transport' })
    expect(
      await client.endpoint.request(message(), { transport: 'udp', host: '127.0.0.1', port: peer.port }),
    ).toMatchObject({ cause: 'transport' })
  })

  test('a port in use: one clear sentence, and nothing left open', async () => {
    const first = await start()
    const on = { request: () => {}, refused: () => {} }
    const second = new SipEndpoint({
      listen: ['udp:127.0.0.1:0', `tcp:127.0.0.1:${first.tcp.port}`],
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      log: silentLog,
      trusted: () => true,
      on,
    })
    await expect(second.listen()).rejects.toThrow(
      `cannot listen on tcp:127.0.0.1:${first.tcp.port}: the port is in use`,
    )
    const third = new SipEndpoint({
      listen: [`udp:127.0.0.1:${first.udp.port}`],
      clock: systemClock,
      timers: systemTimers,
      ids: cryptoIds,
      log: silentLog,
      trusted: () => true,
      on,
    })
    await expect(third.listen()).rejects.toThrow('the port is in use')
  })
})

test.each(['127.0.0.1:5060', 'sctp:127.0.0.1:5061', 'udp:localhost:5060', 'udp:127.0.0.1'])(
  'listening on %s: not an address',
  async (text) => {
    await expect(start(undefined, { listen: [text] })).rejects.toThrow(`cannot listen on "${text}"`)
  },
)

test('listening on tls: without a certificate', async () => {
  await expect(start(undefined, { listen: ['tls:127.0.0.1:0'] })).rejects.toThrow('no certificate is set up')
})

describe('what is refused', () => {
  test.each<[string, string, number, SipRefusalKind]>([
    ['G.10 another version', raw({ start: 'MESSAGE sip:romeo@montague.example SIP/7.0' }), 505, 'sip-version'],
    ['G.10 no Call-ID', raw({ 'Call-ID': undefined }), 400, 'sip-malformed'],
    ['G.10 CSeq of another method', raw({ CSeq: '1 OPTIONS' }), 400, 'sip-malformed'],
    ['G.2 shorter than its Content-Length', raw({ 'Content-Length': '99' }), 400, 'sip-truncated'],
    ['§21.5.7 a body over the limit', raw({ 'Content-Length': '9999999' }), 513, 'sip-too-long'],
    ['§21.5.2 an unknown method', raw({}, '', 'NEWMETHOD'), 501, 'sip-unknown-method'],
    ['§21.4.6 a method we know and do not serve', raw({}, '', 'REGISTER'), 405, 'sip-unknown-method'],
    ['§21.4.14 another scheme', raw({ start: 'MESSAGE nobodyKnowsThisScheme:x SIP/2.0' }), 416, 'sip-scheme'],
    ['RFC 5630 sips', raw({ start: 'MESSAGE sips:romeo@montague.example SIP/2.0' }), 480, 'sip-scheme'],
    [
      '§8.2.2.3 an extension required',
      raw({ Require: 'nothingSupportsThis, nothingSupportsThisEither' }),
      420,
      'sip-extension-required',
    ],
    ['§16.3 Max-Forwards used up', raw({ 'Max-Forwards': '0' }), 483, 'sip-looped'],
  ])('%s', async (_clause, text, status, kind) => {
    const server = await start()
    const peer = await rawPeer()
    peer.socket.send(text, server.udp.port, '127.0.0.1')
    const answer = await peer.next()
    expect([statusOf(answer), server.refusals.map(([name]) => name), server.requests.length]).toEqual([
      status,
      [kind],
      0,
    ])
    expect(answer).toMatch(/\r\nTo: [^\r]*;tag=/)
    if (status === 405 || status === 501) expect(answer).toContain('Allow: MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS')
    if (status === 420) expect(answer).toContain('Unsupported: nothingSupportsThis, nothingSupportsThisEither')
  })

  test.each<[string, string]>([
    ['noise', '\x00\x01\x02 not sip at all'],
    [
      'a response nobody waits for',
      'SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n\r\n',
    ],
    ['a broken response', 'SIP/2.0 4294967301 no\r\n\r\n'],
    ['ACK to nothing', raw({}, '', 'ACK')],
    ['ACK, broken', raw({ 'Call-ID': undefined }, '', 'ACK')],
  ])('%s: no answer', async (_name, text) => {
    const server = await start()
    const peer = await rawPeer()
    peer.socket.send(Buffer.from(text, 'latin1'), server.udp.port, '127.0.0.1')
    expect(await peer.silence(80)).toEqual([])
    expect(server.requests).toEqual([])
  })

  test('G.8: what has been here comes not in again', async () => {
    const server = await start()
    const peer = await rawPeer()
    const via = `SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKa, SIP/2.0/UDP 127.0.0.1:${server.udp.port};branch=z9hG4bKb`
    peer.socket.send(raw({ Via: via }), server.udp.port, '127.0.0.1')
    expect(statusOf(await peer.next())).toBe(482)
  })

  test('RFC 3261 §8.2.2.2: merged 482, unless the first was refused', async () => {
    const statuses = [503, 200]
    const server = await start(({ request, respond }) => respond(newSipResponse(request, statuses.shift() ?? 500)))
    const peer = await rawPeer()
    const send = async (branch: string): Promise<number> => {
      peer.socket.send(
        raw({ Via: `SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bK${branch}`, 'Call-ID': 'merge' }),
        server.udp.port,
        '127.0.0.1',
      )
      return statusOf(await peer.next())
    }
    expect([await send('a'), await send('b'), await send('c')]).toEqual([503, 200, 482])
    expect(server.requests).toHaveLength(2)
  })

  test('RFC 3261 §17.2.1: an INVITE is refused until it is acknowledged', async () => {
    const server = await start()
    const peer = await rawPeer()
    const via = 'SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKinvite'
    const invite = raw({ Via: via, 'Call-ID': 'inv' }, '', 'INVITE')
    peer.socket.send(invite, server.udp.port, '127.0.0.1')
    const first = await peer.next()
    expect(statusOf(first)).toBe(405)
    expect(await peer.next()).toBe(first) // Timer G
    const tag = /\r\nTo: [^\r]*;tag=(\w+)/.exec(first)?.[1]
    peer.socket.send(
      raw({ Via: via, 'Call-ID': 'inv', To: `<sip:romeo@montague.example>;tag=${tag}` }, '', 'ACK'),
      server.udp.port,
      '127.0.0.1',
    )
    expect(await peer.silence(1300)).toEqual([])
    expect(server.refusals.map(([kind]) => kind)).toEqual(['sip-unknown-method'])
  })

  test('RFC 3261 §9.2: CANCEL is answered, and changes nothing', async () => {
    const server = await start()
    const peer = await rawPeer()
    const via = 'SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKcancel'
    peer.socket.send(raw({}, '', 'CANCEL'), server.udp.port, '127.0.0.1')
    expect(statusOf(await peer.next())).toBe(481)
    peer.socket.send(raw({ Via: via }), server.udp.port, '127.0.0.1')
    await until(() => server.requests.length === 1)
    peer.socket.send(raw({ Via: via }, '', 'CANCEL'), server.udp.port, '127.0.0.1')
    expect(statusOf(await peer.next())).toBe(200)
    server.requests[0]?.respond(newSipResponse(server.requests[0].request, 200))
    expect(await peer.next()).toContain('CSeq: 1 MESSAGE')
  })

  test('overload: 503 with Retry-After, and what was taken is answered', async () => {
    const server = await start(undefined, { limits: { maxUnanswered: 1 } })
    const peer = await rawPeer()
    peer.socket.send(raw(), server.udp.port, '127.0.0.1')
    await until(() => server.requests.length === 1)
    peer.socket.send(raw(), server.udp.port, '127.0.0.1')
    const answer = await peer.next()
    expect([statusOf(answer), /Retry-After: (\d+)/.exec(answer)?.[1]]).toEqual([503, expect.stringMatching(/^[5-9]$/)])
    server.requests[0]?.respond(newSipResponse(server.requests[0].request, 200))
    expect(statusOf(await peer.next())).toBe(200)
    peer.socket.send(raw(), server.udp.port, '127.0.0.1')
    await until(() => server.requests.length === 2)
    expect(server.refusals.map(([kind]) => kind)).toEqual(['sip-overload'])
  })

  test('what there is no room for is told when to come again, and nothing of it is kept', async () => {
    let afterS: number | undefined = 7
    const server = await start(undefined, { busyForS: () => afterS })
    const peer = await rawPeer()
    const branch = { Via: 'SIP/2.0/UDP 127.0.0.1:5999;rport;branch=z9hG4bKbusy' }
    peer.socket.send(raw(branch), server.udp.port, '127.0.0.1')
    const answer = await peer.next()
    expect([statusOf(answer), /Retry-After: (\d+)/.exec(answer)?.[1]]).toEqual([503, '7'])
    expect(server.endpoint.counts().serverTransactions).toBe(0)
    expect(server.requests).toEqual([])
    afterS = undefined
    peer.socket.send(raw(branch), server.udp.port, '127.0.0.1')
    await until(() => server.requests.length === 1)
    expect(server.refusals.map(([kind]) => kind)).toEqual(['sip-overload'])
  })

  test('a stranger: 403, on UDP only a few times a second, and never to an ACK', async () => {
    const server = await start(undefined, { trusted: () => false, limits: { strangerAnswersPerS: 3 } })
    const peer = await rawPeer()
    for (let n = 0; n < 20; n += 1) peer.socket.send(raw(), server.udp.port, '127.0.0.1')
    peer.socket.send(raw({}, '', 'ACK'), server.udp.port, '127.0.0.1')
    await until(() => server.refusals.length === 21)
    const answers = await peer.silence(50)
    expect(answers.map(statusOf).every((status) => status === 403)).toBe(true)
    expect(answers.length).toBeGreaterThanOrEqual(3)
    expect(answers.length).toBeLessThanOrEqual(6) // two seconds may have been touched
    expect(server.requests).toEqual([])
    expect(new Set(server.refusals.map(([kind]) => kind))).toEqual(new Set(['sip-untrusted']))

    const socket = await dial(server.tcp)
    socket.write(raw({ Via: 'SIP/2.0/TCP 127.0.0.1:5999;branch=z9hG4bKstranger' }))
    expect(statusOf(await readStream(socket, 2))).toBe(403) // and the connection closes
  })

  test('a handler that throws costs its own request only', async () => {
    const server = await start(({ request, respond }) => {
      if (server.requests.length === 1) throw new Error('ours')
      respond(newSipResponse(request, 200))
    })
    const client = await start()
    expect(await client.endpoint.request(message(), server.udp)).toMatchObject({ response: { status: 500 } })
    expect(await client.endpoint.request(message(), server.udp)).toMatchObject({ response: { status: 200 } })
  })
})

describe('streams', () => {
  const tcpVia = (): Record<string, string> => ({ Via: `SIP/2.0/TCP 127.0.0.1:5999;branch=z9hG4bK${(nextCall += 1)}` })

  test('split anywhere, joined, with pings between', async () => {
    const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
    const socket = await dial(server.tcp)
    const answers = readStream(socket, 20)
    const text = Array.from({ length: 20 }, () => `${raw(tcpVia())}\r\n\r\n`).join('')
    for (let at = 0; at < text.length; at += 97) {
      socket.write(text.slice(at, at + 97))
      if (at % 970 === 0)
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
    }
    const all = await answers
    expect(all.split('SIP/2.0 200 OK').length - 1).toBe(20)
    expect(server.requests).toHaveLength(20)
    expect(all.startsWith('SIP/2.0 200')).toBe(true)
  })

  test('RFC 5626 §4.4.1: a ping is answered', async () => {
    const server = await start()
    const socket = await dial(server.tcp)
    const pong = new Promise((resolve) => {
      socket.once('data', (bytes) => resolve(bytes.toString('latin1')))
    })
    socket.write('\r\n\r\n')
    expect(await pong).toBe('\r\n')
  })

  test.each([
    ['no Content-Length', raw({ ...tcpVia(), 'Content-Length': undefined })],
    ['a Content-Length that is no number', raw({ ...tcpVia(), 'Content-Length': 'lots' })],
  ])('%s: 400, and the connection closes', async (_name, text) => {
    const server = await start()
    const socket = await dial(server.tcp)
    const heard = readStream(socket, 99)
    socket.write(text + raw(tcpVia()))
    expect(statusOf(await heard)).toBe(400)
    expect(server.requests).toEqual([])
    await until(() => server.endpoint.counts().connections === 0)
  })

  test('no more connections than there is room for', async () => {
    const server = await start(undefined, { limits: { maxConnections: 2 } })
    await dial(server.tcp)
    await dial(server.tcp)
    await until(() => server.endpoint.counts().connections === 2)
    const third = await dial(server.tcp)
    await readStream(third, 1)
    await until(() => server.refusals.length === 1)
    expect(server.refusals[0]?.[0]).toBe('sip-connection-limit')
  })

  test('an idle connection is closed, a used one is not', async () => {
    const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)), {
      limits: { idleMs: 400 },
    })
    const idle = await dial(server.tcp)
    const used = await dial(server.tcp)
    let usedClosed = false
    used.on('data', () => {})
    used.on('close', () => {
      usedClosed = true
    })
    const writing = setInterval(() => used.write(raw(tcpVia())), 100)
    await readStream(idle, 1)
    expect(usedClosed).toBe(false)
    clearInterval(writing)
  })

  test('a peer that does not read is cut off, not buffered for', async () => {
    const big = 'x'.repeat(60_000)
    const server = await start(
      ({ request, respond }) =>
        respond(newSipResponse(request, 200, undefined, { body: big, contentType: 'text/plain' })),
      { limits: { maxUnsentBytes: 1_000_000 } },
    )
    const socket = await dial(server.tcp)
    socket.pause()
    socket.write(Array.from({ length: 200 }, () => raw(tcpVia())).join(''))
    await until(() => server.endpoint.counts().connections === 0)
    expect(server.requests.length).toBeLessThan(200)
  })
})

test('any bytes: no throw, and the next good message passes', async () => {
  const server = await start(({ request, respond }) => respond(newSipResponse(request, 200)))
  const peer = await rawPeer()
  const chance = chanceFrom(42)
  const random = (below: number): number => Math.floor(chance() * below)
  for (let n = 0; n < 2000; n += 1) {
    const bytes = Buffer.from(raw(), 'latin1')
    for (let flips = random(6); flips >= 0; flips -= 1) bytes[random(bytes.length)] = random(256)
    peer.socket.send(
      bytes.subarray(0, random(10) === 0 ? random(bytes.length) : bytes.length),
      server.udp.port,
      '127.0.0.1',
    )
    if (n % 100 === 99) await peer.silence(5)
  }
  await peer.silence(50)
  const client = await start()
  expect(await client.endpoint.request(message(), server.udp)).toMatchObject({ response: { status: 200 } })
})
