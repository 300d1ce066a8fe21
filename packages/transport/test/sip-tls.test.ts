import { connect } from 'node:net'
import { connect as connectTls, createServer } from 'node:tls'
import type { TLSSocket } from 'node:tls'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { silentLog } from '@stox/kernel'
import { newSipResponse } from '@stox/sip'
import { forgeCertificate, forgeRevocationList, makeAuthority, makeCertificate } from '@stox/testkit'
import type { Authority, CertificateOrder } from '@stox/testkit'
import { NO_LISTS, RevocationLists, readRevocationList } from '../src/certificates/revocation-list.ts'
import { TrustStore } from '../src/certificates/trust-store.ts'
import { SipEndpoint } from '../src/sip-endpoint.ts'
import type {
  IncomingSipRequest,
  SipEndpointOptions,
  SipRefusal,
  SipRefusalKind,
  SipTarget,
} from '../src/sip-endpoint-types.ts'
import { SIP_IDENTITY, SipTls } from '../src/sip-tls.ts'
import type { SipTlsOptions } from '../src/sip-tls.ts'
import { cryptoIds, systemClock, systemTimers } from '../src/system.ts'
import { TlsIdentity } from '../src/tls-identity.ts'
import { message } from './sip-support.ts'

let authority: Authority
let other: Authority
beforeAll(async () => {
  authority = await makeAuthority('inside')
  other = await makeAuthority('elsewhere')
})

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const identityOf = async (order: CertificateOrder): Promise<TlsIdentity> => {
  const { cert, key } = await makeCertificate({ issuer: authority, ...order })
  const identity = TlsIdentity.of([{ domains: [SIP_IDENTITY], cert, key }])
  if (!identity.ok) throw new Error('no identity')
  return identity.value
}

interface Party {
  readonly endpoint: SipEndpoint
  readonly identity: TlsIdentity
  readonly requests: IncomingSipRequest[]
  readonly refusals: (readonly [SipRefusalKind, SipRefusal])[]
  readonly port: number
  to(names?: readonly string[]): SipTarget
}

async function party(
  order: CertificateOrder,
  tls: Partial<SipTlsOptions> = {},
  more: Partial<SipEndpointOptions> = {},
): Promise<Party> {
  const trust = await TrustStore.open({ kind: 'pem', pem: authority.cert })
  if (!trust.ok) throw new Error('no trust')
  const identity = await identityOf(order)
  const requests: IncomingSipRequest[] = []
  const refusals: (readonly [SipRefusalKind, SipRefusal])[] = []
  const endpoint = new SipEndpoint({
    listen: ['tls:127.0.0.1:0'],
    clock: systemClock,
    timers: systemTimers,
    ids: cryptoIds,
    log: silentLog,
    tls: new SipTls({ identity, trust: trust.value, clock: systemClock, clientCertificates: 'optional', ...tls }),
    trusted: () => true,
    on: {
      request: (incoming) => {
        requests.push(incoming)
        incoming.respond(newSipResponse(incoming.request, 200, undefined, { toTag: 'there' }))
      },
      refused: (kind, refusal) => refusals.push([kind, refusal]),
    },
    ...more,
  })
  closers.push(() => endpoint.close())
  const [listener] = await endpoint.listen()
  const port = listener?.port ?? 0
  const to = (names: readonly string[] = [order.names[0]?.replace('uri:sip:', '') ?? '']): SipTarget => {
    return { transport: 'tls', host: '127.0.0.1', port, names }
  }
  return { endpoint, identity, requests, refusals, port, to }
}

const GATEWAY: CertificateOrder = { names: ['gateway.inside'] }

describe('RFC 5922 §7.1, §7.2: whom a dialled server must prove to be', () => {
  test.each<[string, CertificateOrder, readonly string[], string | undefined]>([
    ['a DNS name', { names: ['sip.example'] }, ['sip.example'], undefined],
    ['a SIP URI', { names: ['uri:sip:sip.example'] }, ['sip.example'], undefined],
    ['one of several wanted', { names: ['front.inside'] }, ['sip.example', 'front.inside'], undefined],
    [
      'a SIP URI, so that DNS names do not count',
      { names: ['uri:sip:a.example', 'b.example'] },
      ['b.example'],
      'for a.example',
    ],
    ['a URI of a person', { names: ['uri:sip:romeo@sip.example'] }, ['sip.example'], 'for no SIP domain'],
    ['no wildcards', { names: ['*.sip.example'] }, ['a.sip.example'], 'for no SIP domain'],
    [
      'no suffixes',
      { names: ['sip.example'] },
      ['a.sip.example'],
      'for sip.example; the peer needs one with the name a.sip.example',
    ],
    ['an address is no domain', { names: ['127.0.0.1'] }, ['127.0.0.1'], 'for no SIP domain'],
    [
      'a client’s purpose only',
      { names: ['sip.example'], purposes: ['clientAuth'] },
      ['sip.example'],
      'not for servers',
    ],
    ['expired', { names: ['sip.example'], validDays: 0 }, ['sip.example'], 'expired'],
  ])('%s', async (_case, order, wanted, problem) => {
    const server = await party(order)
    const gateway = await party(GATEWAY)
    const reply = await gateway.endpoint.request(message(), server.to(wanted))
    if (problem === undefined) expect(reply).toMatchObject({ kind: 'response', response: { status: 200 } })
    else expect(reply).toMatchObject({ kind: 'failed', cause: 'transport', detail: expect.stringContaining(problem) })
    expect(server.requests).toHaveLength(problem === undefined ? 1 : 0)
  })

  test.each([
    ['we go to it', true],
    ['it comes to us', false],
  ])('revoked by its authority: %s', async (_name, weDial) => {
    const root = forgeCertificate({ subject: 'Root', authority: { isAuthority: true }, keyUsage: 0x06 })
    const leaf = forgeCertificate({ names: [{ kind: 'dns', text: 'sip.example' }], issuer: root, keyUsage: 0x80 })
    const trust = await TrustStore.open({ kind: 'pem', pem: root.cert })
    const identity = TlsIdentity.of([{ domains: [SIP_IDENTITY], ...leaf }])
    const list = readRevocationList(forgeRevocationList({ issuer: root, revoked: [leaf] }).der)
    if (!trust.ok || !identity.ok || !list.ok) throw new Error('all of it is good')
    const revocations = { lists: NO_LISTS }
    const server = await party({ names: ['sip.example'] }, { identity: identity.value })
    const clientCertificates = 'required'
    const gateway = await party(GATEWAY, { trust: trust.value, revocations, clientCertificates })
    const send = () =>
      weDial
        ? gateway.endpoint.request(message(), server.to(['sip.example']))
        : server.endpoint.request(message(), gateway.to())
    expect(await send()).toMatchObject({ kind: 'response', response: { status: 200 } })
    await gateway.endpoint.close()
    revocations.lists = new RevocationLists([list.value])
    const again = await party(GATEWAY, { trust: trust.value, revocations, clientCertificates })
    const reply = weDial
      ? again.endpoint.request(message(), server.to(['sip.example']))
      : server.endpoint.request(message(), again.to())
    expect(await reply).toMatchObject({ kind: 'failed', cause: 'transport' })
    expect(again.requests).toEqual([])
    if (weDial) expect(await reply).toMatchObject({ detail: expect.stringContaining('revoked by “CN=Root”') })
    else expect(again.refusals[0]?.[1].detail).toContain('revoked by “CN=Root”')
  })

  test('of another authority', async () => {
    const server = await party({ names: ['sip.example'], issuer: other })
    const gateway = await party(GATEWAY)
    const reply = await gateway.endpoint.request(message(), server.to())
    expect(reply).toMatchObject({ kind: 'failed', detail: expect.stringContaining('is not known here') })
  })
})

describe('who connects', () => {
  test('has proven its domains, and is told by them', async () => {
    const asked: (readonly string[])[] = []
    const trusted = (_host: string, names: readonly string[]): boolean => {
      asked.push(names)
      return names.includes('gateway.inside')
    }
    const server = await party({ names: ['sip.example'] }, {}, { trusted })
    const gateway = await party(GATEWAY)
    expect(await gateway.endpoint.request(message(), server.to())).toMatchObject({ response: { status: 200 } })
    expect(asked).toEqual([['gateway.inside']])
    expect(server.requests[0]?.flow).toMatchObject({ transport: 'tls', names: ['gateway.inside'] })
  })

  test('with a certificate of another authority is nobody', async () => {
    const server = await party({ names: ['sip.example'] }, {}, { trusted: (_host, names) => names.length > 0 })
    const stranger = await party({ names: ['gateway.inside'], issuer: other })
    expect(await stranger.endpoint.request(message(), server.to())).toMatchObject({ response: { status: 403 } })
  })

  test('must have a certificate of a known authority where one is required', async () => {
    const server = await party({ names: ['sip.example'] }, { clientCertificates: 'required' })
    const stranger = await party({ names: ['gateway.inside'], issuer: other })
    expect(await stranger.endpoint.request(message(), server.to())).toMatchObject({ kind: 'failed' })
    expect(server.requests).toEqual([])
    expect(server.refusals[0]).toEqual([
      'sip-insecure',
      expect.objectContaining({ detail: expect.stringContaining('is not known here') }),
    ])
  })

  test('without any certificate where one is required is told so, in the log', async () => {
    const server = await party({ names: ['sip.example'] }, { clientCertificates: 'required' })
    const socket = connectTls({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await once(socket, 'close')
    expect(server.refusals[0]?.[1].detail).toContain('no certificate')
  })

  test.each<[string, (port: number) => void, string]>([
    ['plain SIP', (port) => connect(port, '127.0.0.1').end('MESSAGE sip:a SIP/2.0\r\n\r\n'), 'does not speak TLS'],
    ['HTTP', (port) => connect(port, '127.0.0.1').end('GET / HTTP/1.1\r\n\r\n'), 'plain text'],
    [
      'TLS 1.1',
      (port) =>
        connectTls({
          port,
          host: '127.0.0.1',
          minVersion: 'TLSv1',
          maxVersion: 'TLSv1.1',
          ciphers: 'ALL:@SECLEVEL=0',
        }).on('error', () => undefined),
      'no TLS 1.2',
    ],
  ])('with %s: in plain words', async (_case, knock, words) => {
    const refused = Promise.withResolvers<SipRefusal>()
    const on = {
      request: () => undefined,
      refused: (_kind: SipRefusalKind, refusal: SipRefusal) => refused.resolve(refusal),
    }
    const server = await party({ names: ['sip.example'] }, {}, { on })
    knock(server.port)
    expect((await refused.promise).detail).toContain(words)
  })
})

describe('RFC 5923: connections are used again', () => {
  test('many requests, one connection; another domain at the same address, another one', async () => {
    const server = await party({ names: ['a.example', 'b.example'] })
    const gateway = await party(GATEWAY)
    for (const names of [['a.example'], ['a.example'], ['b.example']])
      expect(await gateway.endpoint.request(message(), server.to(names))).toMatchObject({ kind: 'response' })
    expect(server.endpoint.counts().connections).toBe(1)
    expect(await gateway.endpoint.request(message(), server.to(['c.example']))).toMatchObject({ kind: 'failed' })
    expect(server.requests).toHaveLength(3)
  })

  test('§5: what connects with alias is sent requests on that connection, and by its proven name only', async () => {
    const server = await party({ names: ['sip.example'] })
    const gateway = await party(GATEWAY)
    expect(await gateway.endpoint.request(message(), server.to())).toMatchObject({ kind: 'response' })
    expect(server.requests[0]?.request.core.vias[0]?.params.has('alias')).toBe(true)

    expect(await server.endpoint.request(message(), gateway.to())).toMatchObject({ response: { status: 200 } })
    expect(gateway.endpoint.counts().connections).toBe(1)
    expect(gateway.requests).toHaveLength(1)

    // Somebody else at this address would have to prove it on a connection of his own.
    expect(await server.endpoint.request(message(), gateway.to(['other.inside']))).toMatchObject({ kind: 'failed' })
  })

  test('an alias without a proven name is none', async () => {
    const server = await party({ names: ['sip.example'] })
    const stranger = await party({ names: ['gateway.inside'], issuer: other })
    expect(await stranger.endpoint.request(message(), server.to())).toMatchObject({ kind: 'response' })
    expect(await server.endpoint.request(message(), stranger.to())).toMatchObject({ kind: 'failed' })
    expect(stranger.requests).toEqual([])
  })
})

test('what a certificate proves ends with it: the connection that stands is used no more', async () => {
  let aheadMs = 0
  const clock = { ...systemClock, wallMs: () => Date.now() + aheadMs }
  const server = await party({ names: ['sip.example'], validDays: 1 })
  const gateway = await party(GATEWAY, { clock }, { clock })
  expect(await gateway.endpoint.request(message(), server.to())).toMatchObject({ kind: 'response' })
  aheadMs = 2 * 86_400_000
  expect(await gateway.endpoint.request(message(), server.to())).toMatchObject({
    kind: 'failed',
    detail: expect.stringContaining('expired'),
  })
  expect(server.requests).toHaveLength(1)
})

describe('RFC 5922 §7.3, RFC 6066 §3: a certificate for each domain that has its own', () => {
  const several = async (): Promise<TlsIdentity> => {
    const entry = async (domain: string, name = domain) => ({
      domains: [domain],
      ...(await makeCertificate({ names: [name], issuer: authority })),
    })
    const identity = TlsIdentity.of([
      await entry(SIP_IDENTITY, 'gateway.inside'),
      await entry('a.example'),
      await entry('münchen.example', 'xn--mnchen-3ya.example'),
    ])
    if (!identity.ok) throw new Error('no identity')
    return identity.value
  }

  test.each([
    ['the domain asked for', 'a.example', 'a.example'],
    ['whatever its case', 'A.Example', 'a.example'],
    ['in A-labels', 'xn--mnchen-3ya.example', 'xn--mnchen-3ya.example'],
    ['a name without one: that for all', 'b.example', 'gateway.inside'],
    ['no name at all: that for all', undefined, 'gateway.inside'],
  ])('who connects asks by SNI: %s', async (_case, servername, shown) => {
    const server = await party(GATEWAY, { identity: await several() })
    const socket = connectTls({
      host: '127.0.0.1',
      port: server.port,
      rejectUnauthorized: false,
      ...(servername === undefined ? {} : { servername }),
    })
    await once(socket, 'secureConnect')
    expect(socket.getPeerCertificate().subjectaltname).toBe(`DNS:${shown}`)
    socket.destroy()
  })

  test('we connect as the domain that is served there; each has a connection of its own, used again', async () => {
    const server = await party({ names: ['a.example', 'b.example', 'c.example'] })
    const gateway = await party(GATEWAY, { identity: await several() })
    for (const names of [['a.example'], ['b.example'], ['a.example'], ['c.example'], ['front.inside', 'a.example']])
      expect(await gateway.endpoint.request(message(), server.to(names))).toMatchObject({ kind: 'response' })
    expect(server.requests.map(({ flow }) => flow.names)).toEqual([
      ['a.example'],
      ['gateway.inside'],
      ['a.example'],
      ['gateway.inside'],
      ['a.example'],
    ])
    expect(server.endpoint.counts().connections).toBe(2)
  })

  test('RFC 5923 §5: who has connected to one domain is sent what is of that domain', async () => {
    const server = await party(GATEWAY, { identity: await several() })
    const peer = await party({ names: ['a.example', 'b.example'] })
    expect(await peer.endpoint.request(message(), server.to(['a.example']))).toMatchObject({ kind: 'response' })
    expect(await server.endpoint.request(message(), peer.to(['a.example']))).toMatchObject({ kind: 'response' })
    expect(peer.endpoint.counts().connections).toBe(1)
    expect(await server.endpoint.request(message(), peer.to(['b.example']))).toMatchObject({ kind: 'response' })
    expect(peer.endpoint.counts().connections).toBe(2)
  })
})

test('a renewed certificate is shown from the next connection on', async () => {
  const server = await party({ names: ['old.example'] })
  const gateway = await party(GATEWAY)
  expect(await gateway.endpoint.request(message(), server.to(['new.example']))).toMatchObject({ kind: 'failed' })
  server.identity.replaceBy(await identityOf({ names: ['new.example'] }))
  expect(await gateway.endpoint.request(message(), server.to(['new.example']))).toMatchObject({ kind: 'response' })
})

test('a server that speaks TLS 1.1 at best is not spoken to', async () => {
  const { cert, key } = await makeCertificate({ names: ['sip.example'], issuer: authority })
  const old = createServer({ cert, key, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })
  old.on('tlsClientError', () => undefined)
  await new Promise<void>((listening) => old.listen(0, '127.0.0.1', listening))
  closers.push(() => void old.close())
  const gateway = await party(GATEWAY)
  const target: SipTarget = {
    transport: 'tls',
    host: '127.0.0.1',
    port: (old.address() as AddressInfo).port,
    names: ['sip.example'],
  }
  expect(await gateway.endpoint.request(message(), target)).toMatchObject({
    kind: 'failed',
    cause: 'transport',
    detail: expect.stringContaining('TLS'),
  })
})

test('a request that waits on a connection that breaks goes once more on a new one, with the same branch', async () => {
  const branches: (string | undefined)[] = []
  const { cert, key } = await makeCertificate({ names: ['sip.example'], issuer: authority })
  const sockets: TLSSocket[] = []
  const server = createServer({ cert, key }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      branches.push(/branch=([^;\r\n]+)/.exec(bytes.toString())?.[1])
      socket.destroy()
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  closers.push(() => void server.close())
  const gateway = await party(GATEWAY)
  const target: SipTarget = {
    transport: 'tls',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    names: ['sip.example'],
  }
  expect(await gateway.endpoint.request(message(), target)).toMatchObject({ kind: 'failed', cause: 'transport' })
  expect(branches).toHaveLength(2)
  expect(branches[0]).toBe(branches[1])
})
