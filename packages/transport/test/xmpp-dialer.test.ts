import type { Socket } from 'node:net'
import { cryptoIds, systemClock, systemTimers } from '@stox/transport'
import { dialXmpp } from '../src/xmpp-dialer.ts'
import { RawServer, TableResolver, domain } from './xmpp-support.ts'

const REMOTE = domain('a.example')
let server: RawServer
beforeEach(async () => {
  server = await new RawServer().listen()
})
afterEach(() => server.close())

const dial = (resolver: TableResolver, changes: { mayConnect?: () => boolean; signal?: AbortSignal } = {}) =>
  dialXmpp(
    {
      resolver,
      ids: cryptoIds,
      clock: systemClock,
      timers: systemTimers,
      connectTimeoutMs: 300,
      mayConnect: changes.mayConnect ?? (() => true),
    },
    {
      remote: REMOTE,
      proxy: undefined,
      mayUseTls: true,
      withinMs: 2_000,
      signal: changes.signal ?? new AbortController().signal,
      secure: () => {
        throw new Error('no direct TLS here')
      },
    },
  )

const placed = (
  ...targets: readonly { target: string; port: number; addresses: readonly string[] }[]
): TableResolver => {
  const resolver = new TableResolver()
  resolver.srvRecords.set(
    '_xmpp-server._tcp.a.example',
    targets.map(({ target, port }, priority) => ({ priority, weight: 0, port, target })),
  )
  for (const { target, addresses } of targets) resolver.hosts.set(target, addresses)
  return resolver
}
const hangUp = (socket: Socket) => socket.destroy()

test('the second target when the first takes no connection', async () => {
  const resolver = placed(
    { target: 'one', port: 1, addresses: ['127.0.0.1'] },
    { target: 'two', port: server.port, addresses: ['127.0.0.1'] },
  )
  const dialed = await dial(resolver)
  expect(dialed.ok && dialed.value.remotePort).toBe(server.port)
  if (dialed.ok) hangUp(dialed.value)
})

test('the second address of a target', async () => {
  const dialed = await dial(placed({ target: 'one', port: server.port, addresses: ['127.0.0.99', '127.0.0.1'] }))
  expect(dialed.ok && dialed.value.remoteAddress).toBe('127.0.0.1')
  if (dialed.ok) hangUp(dialed.value)
})

test('mapping F.6 point 4: targets that take no connection are no reason to ask for the domain itself', async () => {
  const resolver = placed({ target: 'one', port: 1, addresses: ['127.0.0.1'] })
  resolver.hosts.set('a.example', ['127.0.0.1'])
  expect(await dial(resolver)).toMatchObject({ ok: false, failure: { kind: 'unreachable' } })
})

test('a target without address', async () => {
  const resolver = placed({ target: 'one', port: 1, addresses: [] })
  resolver.hosts.delete('one')
  expect(await dial(resolver)).toMatchObject({ ok: false, failure: { kind: 'domain-not-found' } })
})

test('a target of which the name server does not say', async () => {
  const resolver = placed({ target: 'one', port: 1, addresses: [] })
  resolver.trouble.add('one')
  expect(await dial(resolver)).toMatchObject({ ok: false, failure: { kind: 'dns-trouble' } })
})

test('an address where no partner may be is not connected to', async () => {
  const resolver = placed({ target: 'one', port: server.port, addresses: ['127.0.0.1'] })
  expect(await dial(resolver, { mayConnect: () => false })).toMatchObject({
    ok: false,
    failure: { kind: 'unreachable' },
  })
  expect(server.peers).toEqual([])
})

test('given up from outside', async () => {
  const abort = new AbortController()
  abort.abort()
  const resolver = placed({ target: 'one', port: server.port, addresses: ['127.0.0.1'] })
  expect(await dial(resolver, { signal: abort.signal })).toMatchObject({ ok: false, failure: { kind: 'closed' } })
})
