import type { SrvRecord } from '@stox/transport'
import { locateXmpp, orderSrv } from '../src/locate-xmpp.ts'
import { TableResolver, domain } from './xmpp-support.ts'

const chance = (...values: readonly number[]) => {
  let at = 0
  return { fraction: () => values[at++ % values.length] ?? 0 }
}
const record = (target: string, priority: number, weight: number): SrvRecord => ({
  target,
  priority,
  weight,
  port: 5269,
})

describe('RFC 2782', () => {
  const targets = (records: readonly SrvRecord[], fraction: number) =>
    orderSrv(records, chance(fraction)).map(({ target }) => target)

  test('priority before weight', () =>
    expect(targets([record('late', 20, 100), record('early', 10, 0)], 0.99)).toEqual(['early', 'late']))

  test.each([
    [0, ['zero', 'one', 'three']],
    [0.1, ['zero', 'one', 'three']],
    [0.3, ['one', 'three', 'zero']],
    [0.99, ['three', 'one', 'zero']],
  ])('drawn by weight: %p', (fraction, expected) =>
    expect(targets([record('three', 10, 3), record('zero', 10, 0), record('one', 10, 1)], fraction)).toEqual(expected),
  )

  test('as often as the weights say', () => {
    let state = 1
    const random = { fraction: () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 }
    let first = 0
    for (let count = 0; count < 4_000; count += 1) {
      if (orderSrv([record('a', 1, 30), record('b', 1, 10)], random)[0]?.target === 'a') first += 1
    }
    // 30 of 40, within five standard deviations.
    expect(Math.abs(first / 4_000 - 0.75)).toBeLessThan(0.035)
  })
})

describe('mapping F.6', () => {
  const SRV = '_xmpp-server._tcp.a.example'
  const DIRECT = '_xmpps-server._tcp.a.example'
  const locate = (resolver: TableResolver, name = 'a.example', proxy?: { host: string; port: number }) =>
    locateXmpp(domain(name), proxy, resolver, chance(0))

  test('1: a fixed proxy is asked about nothing', async () => {
    const resolver = new TableResolver()
    expect(await locate(resolver, 'a.example', { host: 'p.inside', port: 1 })).toEqual({
      ok: true,
      value: [{ host: 'p.inside', port: 1, fromDns: false, fromSrv: false, directTls: false }],
    })
    expect(resolver.asked).toBe(0)
  })

  test('3: `.` beside a target is no target [7247-5.2]', async () => {
    const resolver = new TableResolver()
    resolver.srvRecords.set(SRV, [record('', 1, 0), record('x.a.example', 2, 0)])
    expect(await locate(resolver)).toMatchObject({ ok: true, value: [{ host: 'x.a.example' }] })
  })

  test('3: `.` alone is a refusal', async () => {
    const resolver = new TableResolver()
    resolver.srvRecords.set(SRV, [record('', 1, 0)])
    expect(await locate(resolver)).toMatchObject({ ok: false, failure: { kind: 'domain-not-found' } })
  })

  test('5: no SRV, so the domain itself on port 5269', async () =>
    expect(await locate(new TableResolver())).toEqual({
      ok: true,
      value: [{ host: 'a.example', port: 5269, fromDns: true, fromSrv: false, directTls: false }],
    }))

  test('5: trouble is not "no SRV"', async () => {
    const resolver = new TableResolver()
    resolver.trouble.add(SRV)
    expect(await locate(resolver)).toMatchObject({ ok: false, failure: { kind: 'dns-trouble' } })
  })

  test('XEP-0368 §2: both kinds mixed by priority', async () => {
    const resolver = new TableResolver()
    resolver.srvRecords.set(SRV, [record('second', 2, 0), record('fourth', 4, 0)])
    resolver.srvRecords.set(DIRECT, [record('third', 3, 0), record('first', 1, 0)])
    const found = await locate(resolver)
    expect(found.ok && found.value.map(({ host, directTls }) => [host, directTls])).toEqual([
      ['first', true],
      ['second', false],
      ['third', true],
      ['fourth', false],
    ])
  })

  const REFUSED = [record('', 1, 0)]
  const THERE = [record('x.a.example', 1, 0)]
  test.each([
    ['direct TLS refused', REFUSED, THERE, [['x.a.example', false]]],
    ['XEP-0368 §5: direct TLS refused, no other records', REFUSED, undefined, 'domain-not-found'],
    ['STARTTLS refused', THERE, REFUSED, [['x.a.example', true]]],
    ['direct TLS alone', THERE, undefined, [['x.a.example', true]]],
    ['both refused', REFUSED, REFUSED, 'domain-not-found'],
    ['trouble with direct TLS', 'trouble', THERE, [['x.a.example', false]]],
    ['trouble with STARTTLS', THERE, 'trouble', [['x.a.example', true]]],
    ['trouble with STARTTLS, no direct TLS', undefined, 'trouble', 'dns-trouble'],
  ] as const)('3 and 5: %s', async (_name, direct, plain, expected) => {
    const resolver = new TableResolver()
    for (const [name, records] of [
      [DIRECT, direct],
      [SRV, plain],
    ] as const) {
      if (records === 'trouble') resolver.trouble.add(name)
      else if (records !== undefined) resolver.srvRecords.set(name, records)
    }
    const found = await locate(resolver)
    expect(found.ok ? found.value.map(({ host, directTls }) => [host, directTls]) : found.failure.kind).toEqual(
      expected,
    )
  })

  test('6: names are asked for in A-labels', async () => {
    const resolver = new TableResolver()
    resolver.srvRecords.set('_xmpp-server._tcp.xn--bcher-kva.example', [record('x.example', 1, 0)])
    expect(await locate(resolver, 'bücher.example')).toMatchObject({ ok: true, value: [{ host: 'x.example' }] })
  })
})
