import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DnsStub } from '@stox/testkit'
import { NodeDnsResolver } from '@stox/transport'

let stub: DnsStub
let server: string
beforeEach(async () => {
  stub = new DnsStub()
  server = await stub.listen()
})
afterEach(() => stub.close())

const resolver = (options: ConstructorParameters<typeof NodeDnsResolver>[0] = {}) =>
  new NodeDnsResolver({ servers: [server], timeoutMs: 200, tries: 1, ...options })

test('SRV records as they are', async () => {
  stub.srv.set('_xmpp-server._tcp.a.example', [
    { priority: 5, weight: 7, port: 5269, target: 'x.a.example' },
    { port: 1, target: '.' },
  ])
  const found = await resolver().srv('_xmpp-server._tcp.a.example')
  expect(found).toMatchObject({ ok: true })
  const records = found.ok ? found.value.toSorted((a, b) => a.priority - b.priority) : []
  expect(records).toEqual([
    { priority: 5, weight: 7, port: 5269, target: 'x.a.example' },
    { priority: 10, weight: 0, port: 1, target: '' },
  ])
})

test('addresses', async () => {
  stub.a.set('x.a.example', ['127.0.0.7', '127.0.0.8'])
  expect(await resolver().addresses('x.a.example')).toEqual({ ok: true, value: ['127.0.0.7', '127.0.0.8'] })
})

test.each([
  ['127.0.0.9', '127.0.0.9'],
  ['::1', '::1'],
  ['[::1]', '::1'],
])('an address is its own answer: %s', async (host, address) => {
  expect(await resolver().addresses(host)).toEqual({ ok: true, value: [address] })
  expect(stub.asked).toEqual([])
})

test.each([
  ['no such name', () => {}, { kind: 'none', isSilence: false }],
  ['the name has other records only', () => stub.srv.set('b.example', []), { kind: 'none', isSilence: false }],
  ['SERVFAIL', () => stub.broken.add('b.example'), { kind: 'trouble', isSilence: false }],
  ['silence', () => stub.silent.add('b.example'), { kind: 'trouble', isSilence: true }],
] as const)('%s', async (_name, prepare, failure) => {
  prepare()
  expect(await resolver().addresses('b.example')).toMatchObject({ ok: false, failure })
  expect(await resolver().srv('b.example')).toMatchObject({ ok: false, failure })
})

test('RFC 1034 §3.6.2: a name that stands for another one, which stands for another one', async () => {
  stub.cname.set('x.a.example', 'y.a.example')
  stub.cname.set('y.a.example', 'z.provider.example')
  stub.a.set('z.provider.example', ['127.0.0.7'])
  expect(await resolver().addresses('x.a.example')).toEqual({ ok: true, value: ['127.0.0.7'] })
  stub.cname.set('_xmpp-server._tcp.a.example', '_xmpp-server._tcp.provider.example')
  stub.srv.set('_xmpp-server._tcp.provider.example', [{ port: 5269, target: 'x.a.example' }])
  const found = await resolver().srv('_xmpp-server._tcp.a.example')
  expect(found).toEqual({ ok: true, value: [{ priority: 10, weight: 0, port: 5269, target: 'x.a.example' }] })
})

test('a name that stands for one without an address has none', async () => {
  stub.cname.set('x.a.example', 'y.a.example')
  expect(await resolver().addresses('x.a.example')).toMatchObject({ ok: false, failure: { kind: 'none' } })
})

test('RFC 7766 §5: an answer that is too big for UDP is asked for over TCP', async () => {
  const records = Array.from({ length: 200 }, (_none, count) => ({ port: count + 1, target: `x${count}.a.example` }))
  stub.srv.set('_xmpp-server._tcp.a.example', records)
  stub.truncated.add('_xmpp-server._tcp.a.example')
  const found = await resolver().srv('_xmpp-server._tcp.a.example')
  expect(found.ok && found.value.map(({ port }) => port).toSorted((a, b) => a - b)).toEqual(
    records.map(({ port }) => port),
  )
  expect(stub.asked).toEqual(Array.from({ length: 2 }, () => 'SRV _xmpp-server._tcp.a.example'))
})

test('addresses that may be remembered for 0 s are asked for each time', async () => {
  stub.a.set('x.a.example', ['127.0.0.7'])
  stub.ttl = 0
  const asking = resolver({ monotonicMs: () => 0 })
  expect(await asking.addresses('x.a.example')).toEqual({ ok: true, value: ['127.0.0.7'] })
  stub.a.set('x.a.example', ['127.0.0.8'])
  expect(await asking.addresses('x.a.example')).toEqual({ ok: true, value: ['127.0.0.8'] })
})

test('one question for all who ask at once, and a short memory', async () => {
  stub.a.set('x.a.example', ['127.0.0.7'])
  let nowMs = 0
  const asking = resolver({ monotonicMs: () => nowMs, maxTtlMs: 2_000 })
  const questions = () => stub.asked.filter((asked) => asked.startsWith('A ')).length
  await Promise.all(Array.from({ length: 50 }, () => asking.addresses('x.a.example')))
  expect(questions()).toBe(1)
  nowMs = 1_999
  await asking.addresses('x.a.example')
  expect(questions()).toBe(1)
  nowMs = 2_001
  await asking.addresses('x.a.example')
  expect(questions()).toBe(2)
})

test('trouble is not remembered', async () => {
  const asking = resolver({ monotonicMs: () => 0 })
  stub.broken.add('x.a.example')
  expect(await asking.addresses('x.a.example')).toMatchObject({ ok: false, failure: { kind: 'trouble' } })
  stub.broken.clear()
  stub.a.set('x.a.example', ['127.0.0.7'])
  expect(await asking.addresses('x.a.example')).toMatchObject({ ok: true })
})

test('without servers, the hosts file counts', async () => {
  const found = await new NodeDnsResolver().addresses('localhost')
  expect(found.ok && found.value.some((address) => address === '127.0.0.1' || address === '::1')).toBe(true)
})

test('hosts(5): all addresses of a name, its aliases, in any case; comments and nonsense are none', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'stox-hosts-'))
  const hostsFile = join(directory, 'hosts')
  writeFileSync(
    hostsFile,
    ['127.0.0.7\tx.a.example  X # y.a.example', '::7 x.a.example', '# 127.0.0.9 x', 'nonsense x'].join('\n'),
  )
  let nowMs = 0
  const asking = new NodeDnsResolver({ hostsFile, monotonicMs: () => nowMs, maxTtlMs: 10 })
  expect(await asking.addresses('x.a.example')).toEqual({ ok: true, value: ['127.0.0.7', '::7'] })
  expect(await asking.addresses('x')).toEqual({ ok: true, value: ['127.0.0.7'] })
  writeFileSync(hostsFile, '127.0.0.8 x.a.example')
  nowMs = 5_000
  expect(await asking.addresses('X.A.EXAMPLE.')).toEqual({ ok: true, value: ['127.0.0.8'] })
  rmSync(directory, { recursive: true })
})
