import { VirtualTime, fail, ok, silentLog } from '@stox/kernel'
import type { SipHeaderEntry, SipRequest } from '@stox/sip'
import type { SipReply, SipTarget } from '@stox/transport'
import { FailoverSender } from '../src/failover-sender.ts'
import { ServerLocator } from '../src/locate-servers.ts'
import { ServerProbes } from '../src/probe-servers.ts'
import { ServerHealth, serverKey } from '../src/server-health.ts'
import { countingIds, respondTo, settle, sipMessage } from './stage.ts'

const SILENT: SipReply = { kind: 'failed', cause: 'timeout', detail: 'no response within 32 s', provisional: false }
const DEAD: SipReply = { kind: 'failed', cause: 'transport', detail: 'ECONNREFUSED' }
const busy = (request: SipRequest, afterS?: number): SipReply =>
  respondTo(request, 503, afterS === undefined ? [] : [['Retry-After', String(afterS)] satisfies SipHeaderEntry])

/** `domain.example` has three servers, by UDP, TCP and TLS. */
function newScene(answer: (server: string, request: SipRequest) => SipReply | Promise<SipReply>) {
  const time = new VirtualTime()
  const asked: string[] = []
  const targets: SipTarget[] = []
  const srv: Record<string, { readonly target: string; readonly port: number }[]> = {
    '_sip._udp.domain.example': [{ target: 'a', port: 1 }],
    '_sip._tcp.domain.example': [{ target: 'b', port: 2 }],
    '_sips._tcp.domain.example': [{ target: 'c', port: 3 }],
  }
  const none = { kind: 'none', detail: 'no such name' } as const
  const locator = new ServerLocator({
    resolver: {
      naptr: async () => fail(none),
      srv: async (name) => {
        const found = srv[name]
        return found === undefined ? fail(none) : ok(found.map((one) => ({ priority: 1, weight: 0, ...one })))
      },
      addresses: async (host) => (host === 'gone.example' ? fail(none) : ok([`192.0.2.${host}`])),
    },
    clock: time,
    ids: countingIds(),
    transports: ['udp', 'tcp', 'tls'],
  })
  const endpoint = {
    request: async (request: SipRequest, target: SipTarget): Promise<SipReply> => {
      asked.push(serverKey(target))
      targets.push(target)
      return answer(serverKey(target), request)
    },
    contact: () => undefined,
  }
  const health = new ServerHealth(time)
  const there = { answers: true, asked: [] as string[] }
  const isThere = async (target: SipTarget, domain: string): Promise<boolean> => {
    there.asked.push(`${serverKey(target)} ${domain}`)
    return there.answers
  }
  const sender = new FailoverSender({ endpoint, locator, health, clock: time, timers: time, isThere })
  const send = (towards = 'sip:domain.example', options = {}): Promise<SipReply> =>
    sender.send(sipMessage({}), towards, options)
  return { time, there, asked, targets, srv, locator, endpoint, health, sender, send, take: () => asked.splice(0) }
}

const [A, B, C] = ['udp:192.0.2.a:1', 'tcp:192.0.2.b:2', 'tls:192.0.2.c:3'] as const

describe('RFC 3263 §4.3: the servers of a domain are tried in turn', () => {
  test.each<[string, (request: SipRequest) => SipReply, boolean]>([
    ['a transport error', () => DEAD, true],
    ['silence', () => SILENT, true],
    ['503', (request) => busy(request), true],
    ['silence after a 100', () => ({ ...SILENT, provisional: true }) as SipReply, false],
    ['404', (request) => respondTo(request, 404), false],
    ['500', (request) => respondTo(request, 500), false],
    ['our own lack of room', () => ({ kind: 'failed', cause: 'overload', detail: '' }), false],
  ])('after %s', async (_what, first, next) => {
    const scene = newScene((server, request) => (server === A ? first(request) : respondTo(request, 200)))
    await scene.send()
    expect(scene.take()).toEqual(next ? [A, B] : [A])
  })

  test('one that failed is left alone for 30 s, and is tried again when all others fail too', async () => {
    const dead = new Set<string>([A])
    const scene = newScene((server, request) => (dead.has(server) ? DEAD : respondTo(request, 200)))
    await scene.send()
    await scene.send()
    expect(scene.take()).toEqual([A, B, B])
    dead.add(B).add(C)
    expect(await scene.send()).toMatchObject({ kind: 'failed', cause: 'transport' })
    expect(await scene.send()).toMatchObject({ kind: 'failed', cause: 'transport' })
    expect(scene.take()).toEqual([B, C, A])
    dead.clear()
    scene.time.advance(31_000)
    await scene.send()
    expect(scene.take()).toEqual([A])
  })

  test('§21.5.4: who says 503 with Retry-After gets no request until then, even alone', async () => {
    let isBusy = true
    const scene = newScene((_server, request) => (isBusy ? busy(request, 20) : respondTo(request, 200)))
    const only = 'sip:192.0.2.9:5060'
    expect(await scene.send(only)).toMatchObject({ response: { status: 503 } })
    isBusy = false
    scene.time.advance(19_000)
    expect(await scene.send(only)).toMatchObject({ cause: 'overload', detail: expect.stringContaining('another 1 s') })
    expect(scene.take()).toHaveLength(1)
    scene.time.advance(1_001)
    expect(await scene.send(only)).toMatchObject({ response: { status: 200 } })
  })

  test('a server that moves is found when DNS says so', async () => {
    const scene = newScene((server, request) => (server.endsWith('.a:1') ? DEAD : respondTo(request, 200)))
    delete scene.srv['_sip._tcp.domain.example']
    delete scene.srv['_sips._tcp.domain.example']
    expect(await scene.send()).toMatchObject({ kind: 'failed' })
    scene.srv['_sip._udp.domain.example'] = [{ target: 'd', port: 4 }]
    scene.time.advance(30_001)
    expect(await scene.send()).toMatchObject({ response: { status: 200 } })
    expect(scene.take()).toEqual([A, 'udp:192.0.2.d:4'])
  })
})

describe('RFC 3263 §4.3: a server that says nothing leaves time for another one', () => {
  const waiting = () => {
    let answer: (reply: SipReply) => void = () => undefined
    const scene = newScene((server, request) =>
      server === A ? new Promise((resolve) => (answer = resolve)) : respondTo(request, 200),
    )
    return {
      scene,
      sent: scene.send(undefined, { domain: 'domain.example' }),
      answer: (reply: SipReply) => answer(reply),
    }
  }
  test('nor to OPTIONS: the next one is asked, and this one is left alone', async () => {
    const { scene, sent, answer } = waiting()
    scene.there.answers = false
    await settle()
    scene.time.advance(7999)
    await settle()
    expect([scene.there.asked, scene.take()]).toEqual([[], [A]])
    scene.time.advance(1)
    expect(await sent).toMatchObject({ kind: 'response', response: { status: 200 } })
    expect([scene.there.asked, scene.take()]).toEqual([[`${A} domain.example`], [B]])
    answer(respondTo(sipMessage({}), 404))
    await scene.send()
    expect(scene.take()).toEqual([B])
  })
  test('it answers OPTIONS: what it passes the request on to is silent, and it will say so', async () => {
    const { scene, sent, answer } = waiting()
    await settle()
    scene.time.advance(20_000)
    await settle()
    expect([scene.there.asked.length, scene.take()]).toEqual([1, [A]])
    answer(respondTo(sipMessage({}), 408))
    expect(await sent).toMatchObject({ response: { status: 408 } })
    expect(scene.take()).toEqual([])
  })
  test('the only one is not asked', async () => {
    const scene = newScene(() => new Promise(() => undefined))
    void scene.send('sip:192.0.2.9:5060')
    await settle()
    scene.time.advance(31_000)
    await settle()
    expect(scene.there.asked).toEqual([])
  })
  test('who answers in time is not asked either, and no timer is left', async () => {
    const scene = newScene((_server, request) => respondTo(request, 200))
    await scene.send()
    expect(scene.time.armed).toBe(0)
  })
})

test('C.7: whether any server of a route is there, as far as we know', async () => {
  const scene = newScene((server, request) => (server === 'udp:192.0.2.8:5060' ? respondTo(request, 200) : SILENT))
  const [only, backups] = ['sip:192.0.2.7', { backups: ['sip:192.0.2.8'] }]
  expect(scene.sender.hasGood(only, {})).toBe(true)
  await scene.send(only)
  expect(scene.sender.hasGood(only, {})).toBe(false)
  expect(scene.sender.hasGood(only, backups)).toBe(true)
  await scene.send(only, backups)
  expect(scene.sender.hasGood(only, backups)).toBe(true)
  scene.time.advance(30_001)
  expect(scene.sender.hasGood(only, {})).toBe(true)
})

test('the servers of the backup routes come after those of the route; one that leads nowhere is passed over', async () => {
  const scene = newScene((server, request) => (server === 'udp:192.0.2.7:5060' ? respondTo(request, 200) : DEAD))
  const backups = ['sip:gone.example:5060', 'sip:192.0.2.7', 'sip:192.0.2.8']
  expect(await scene.send('sip:192.0.2.6', { backups })).toMatchObject({ response: { status: 200 } })
  expect(scene.take()).toEqual(['udp:192.0.2.6:5060', 'udp:192.0.2.7:5060'])
})

test('RFC 3261 §18.1.1: what is too long for UDP goes to the servers of streams first, unless the path is known to be safe', async () => {
  const scene = newScene((_server, request) => respondTo(request, 200))
  const long = sipMessage({ body: 'x'.repeat(1200) })
  await scene.sender.send(long, 'sip:domain.example')
  await scene.sender.send(long, 'sip:domain.example', { congestionSafe: true })
  expect(scene.take()).toEqual([B, A])
})

test('with TLS the server may prove the domain that it serves', async () => {
  const scene = newScene((_server, request) => respondTo(request, 200))
  await scene.send('sip:192.0.2.5;transport=tls', { domain: 'capulet.example' })
  await scene.send('sip:front.inside:5061;transport=tls', { domain: 'capulet.example' })
  expect(scene.targets.map(({ names }) => names)).toEqual([['capulet.example'], ['front.inside', 'capulet.example']])
})

describe('probes', () => {
  const probing = (
    answer: (server: string, request: SipRequest) => SipReply | Promise<SipReply>,
    routes: readonly string[],
    domains: readonly string[] = ['capulet.example'],
  ) => {
    const scene = newScene(answer)
    const lines: string[] = []
    const log = {
      ...silentLog,
      info: (event: string, fields?: object) => void lines.push(`${event} ${JSON.stringify(fields)}`),
      warn: (event: string, fields?: object) => void lines.push(`${event} ${JSON.stringify(fields)}`),
    }
    const cameBack: string[] = []
    const accepts: ReadonlyMap<string, readonly (readonly string[])[]>[] = []
    const [route = '', ...backupRoutes] = routes
    const { time, locator, endpoint, health } = scene
    const probes = new ServerProbes({
      ...{ endpoint, locator, health, clock: time, timers: time, ids: countingIds(), log },
      intervalMs: 30_000,
      domains: () => domains.map((domain) => ({ domain, route, backupRoutes })),
      cameBack: (domain) => void cameBack.push(domain),
      accept: (byDomain) => void accepts.push(byDomain),
    })
    const round = async (): Promise<void> => {
      time.advance(30_000)
      await settle()
    }
    return { ...scene, probes, lines, cameBack, accepts, round }
  }
  const ROUTES = ['sip:192.0.2.1', 'sip:192.0.2.2']
  const [ONE, TWO] = ['udp:192.0.2.1:5060', 'udp:192.0.2.2:5060'] as const

  test('two misses are down, one answer of any kind is up, and a down one is passed over', async () => {
    let isDown = true
    const scene = probing((server, request) => (isDown && server === ONE ? DEAD : respondTo(request, 404)), ROUTES)
    scene.probes.start()
    await settle()
    expect(scene.probes.reports()).toEqual([ONE, TWO].map((server) => ({ server, up: true })))
    await scene.round()
    expect(scene.probes.reports()[0]).toEqual({ server: ONE, up: false })
    expect(scene.lines).toEqual([`sip-server-down {"server":"${ONE}","detail":"ECONNREFUSED"}`])
    scene.take()
    await scene.send(ROUTES[0], { backups: ROUTES.slice(1) })
    expect(scene.take()).toEqual([TWO])

    isDown = false
    await scene.round()
    expect(scene.probes.reports()[0]).toEqual({ server: ONE, up: true })
    expect(scene.lines[1]).toBe(`sip-server-up {"server":"${ONE}"}`)
    scene.take()
    await scene.send(ROUTES[0], { backups: ROUTES.slice(1) })
    expect(scene.take()).toEqual([ONE])
    scene.probes.close()
  })

  test.each<[string, (request: SipRequest) => SipReply | Promise<SipReply>, boolean]>([
    ['any answer', (request) => respondTo(request, 404), true],
    ['408, of one behind it', (request) => respondTo(request, 408), false],
    ['a broken connection', () => DEAD, false],
    ['silence for five seconds', () => new Promise(() => undefined), false],
    ['our own lack of room says nothing', () => ({ kind: 'failed', cause: 'overload', detail: '' }), true],
  ])('asked out of turn: %s', async (_what, answer, there) => {
    const scene = probing((_server, request) => answer(request), ['sip:192.0.2.1'])
    const target: SipTarget = { transport: 'udp', host: '192.0.2.1', port: 5060 }
    const told = scene.probes.isThere(target, 'capulet.example')
    await settle()
    scene.time.advance(5000)
    expect(await told).toBe(there)
    scene.probes.close()
  })

  test('who answers again after one miss may have been started anew', async () => {
    let isDown = false
    const scene = probing((_server, request) => (isDown ? DEAD : respondTo(request, 200)), ['sip:192.0.2.1'])
    scene.probes.start()
    await settle()
    await scene.round()
    expect(scene.cameBack).toEqual([])
    isDown = true
    await scene.round()
    isDown = false
    await scene.round()
    await scene.round()
    expect(scene.cameBack).toEqual(['capulet.example'])
    scene.probes.close()
  })

  test('of several domains behind one server each is told that it came back', async () => {
    let isDown = true
    const scene = probing(
      (_server, request) => (isDown ? DEAD : respondTo(request, 200)),
      ['sip:192.0.2.1', 'sip:192.0.2.1:5060'],
      ['capulet.example', 'verona.example'],
    )
    scene.probes.start()
    await settle()
    isDown = false
    await scene.round()
    expect(scene.cameBack).toEqual(['capulet.example', 'verona.example'])
    scene.probes.close()
  })

  test('RFC 3261 §11.2, mapping C.9: what the servers of a domain say that they take', async () => {
    const said: Record<string, readonly [number, string | undefined]> = {
      [ONE]: [200, 'text/plain, message/cpim;q=0.5'],
      [TWO]: [200, undefined],
    }
    const scene = probing((server, request) => {
      const [status, accept] = said[server] ?? [404, undefined]
      return respondTo(request, status, accept === undefined ? [] : [['Accept', accept]])
    }, ROUTES)
    scene.probes.start()
    await settle()
    said[ONE] = [404, 'message/cpim']
    said[TWO] = [200, 'text/html']
    await scene.round()
    expect(scene.accepts.map((one) => [...one])).toEqual([
      [['capulet.example', [['text/plain', 'message/cpim;q=0.5'], []]]],
      [['capulet.example', [['text/plain', 'message/cpim;q=0.5'], ['text/html']]]],
    ])
    scene.probes.close()
  })

  test.each<[string, (request: SipRequest) => SipReply | Promise<SipReply>]>([
    ['408, for one behind it', (request) => respondTo(request, 408)],
    ['nothing within 5 s', () => new Promise<SipReply>(() => undefined)],
  ])('%s is a miss', async (_case, answer) => {
    const scene = probing((_server, request) => answer(request), ['sip:192.0.2.1'])
    scene.probes.start()
    for (let round = 0; round < 3; round += 1) {
      await settle()
      scene.time.advance(5_000)
      await scene.round()
    }
    expect(scene.probes.reports()).toEqual([{ server: ONE, up: false }])
    scene.probes.close()
  })

  test('a route that leads nowhere is down as well', async () => {
    const scene = probing((_server, request) => respondTo(request, 200), ['sip:gone.example:5060'])
    scene.probes.start()
    await settle()
    await scene.round()
    expect(scene.probes.reports()).toEqual([{ server: 'sip:gone.example:5060', up: false }])
    expect(scene.lines).toEqual([expect.stringContaining('no such name')])
    scene.probes.close()
  })

  test('an OPTIONS to the server itself, for a domain of ours', async () => {
    const requests: SipRequest[] = []
    const scene = probing(
      (_server, request) => {
        requests.push(request)
        return respondTo(request, 200)
      },
      ['sip:192.0.2.1;transport=tcp'],
    )
    scene.probes.start()
    await settle()
    scene.probes.close()
    expect(requests[0]).toMatchObject({ method: 'OPTIONS', uri: 'sip:192.0.2.1:5060;transport=tcp' })
    expect(requests[0]?.headers.get('From')).toContain('<sip:stox@capulet.example>;tag=')
  })
})
