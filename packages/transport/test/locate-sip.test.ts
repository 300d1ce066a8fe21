import { fail, ok } from '@stox/kernel'
import type { DnsFailure, DnsResolver, SrvRecord } from '../src/dns-resolver.ts'
import { locateSip } from '../src/locate-sip.ts'
import type { LocateOptions } from '../src/locate-sip.ts'

const NONE: DnsFailure = { kind: 'none', detail: 'no such name' }
const srv = (target: string, port: number, priority = 10, weight = 0): SrvRecord => ({ target, port, priority, weight })

const records: Readonly<Record<string, readonly SrvRecord[]>> = {
  '_sip._udp.both.example': [srv('b.both.example', 5062, 20), srv('a.both.example', 5061, 10)],
  '_sip._tcp.both.example': [srv('a.both.example', 5071)],
  '_sip._tcp.tcp.example': [srv('a.tcp.example', 5060)],
  '_sip._udp.none.example': [srv('', 0)],
}
const addresses: Readonly<Record<string, readonly string[]>> = {
  'a.both.example': ['192.0.2.1'],
  'b.both.example': ['192.0.2.2', '2001:db8::2'],
  'a.tcp.example': ['192.0.2.3'],
  'plain.example': ['192.0.2.4'],
}
const asked: string[] = []
const resolver: DnsResolver = {
  srv: async (name) => {
    asked.push(name)
    if (name.includes('trouble')) return fail({ kind: 'trouble', detail: 'no answer' })
    const found = records[name]
    return found === undefined ? fail(NONE) : ok(found)
  },
  addresses: async (host) => {
    asked.push(host)
    const found = addresses[host]
    return found === undefined ? fail(NONE) : ok(found)
  },
}
beforeEach(() => {
  asked.length = 0
})

describe('RFC 3263 §4', () => {
  test.each<[string, string, string[], string[], LocateOptions?]>([
    ['numeric: no question', 'sip:192.0.2.9', ['udp 192.0.2.9 5060'], []],
    ['numeric IPv6 with port and transport', 'sip:[2001:db8::9]:5070;transport=TCP', ['tcp 2001:db8::9 5070'], []],
    ['a route of the configuration', 'sip:127.0.0.1:5060;transport=udp', ['udp 127.0.0.1 5060'], []],
    ['a port: addresses only', 'sip:romeo@plain.example:5066', ['udp 192.0.2.4 5066'], ['plain.example']],
    [
      'a transport: its SRV, then addresses',
      'sip:plain.example;transport=tcp',
      ['tcp 192.0.2.4 5060'],
      ['_sip._tcp.plain.example', 'plain.example'],
    ],
    [
      'neither: SRV of all transports in our order, by priority',
      'sip:both.example',
      ['udp 192.0.2.1 5061', 'udp 192.0.2.2 5062', 'udp 2001:db8::2 5062', 'tcp 192.0.2.1 5071'],
      ['_sip._udp.both.example', '_sip._tcp.both.example', 'a.both.example', 'b.both.example', 'a.both.example'],
    ],
    [
      'only TCP has SRV',
      'sip:tcp.example',
      ['tcp 192.0.2.3 5060'],
      ['_sip._udp.tcp.example', '_sip._tcp.tcp.example', 'a.tcp.example'],
    ],
    [
      'no SRV at all: addresses, 5060',
      'sip:plain.example',
      ['udp 192.0.2.4 5060'],
      ['_sip._udp.plain.example', '_sip._tcp.plain.example', 'plain.example'],
    ],
    ['maddr', 'sip:both.example;maddr=192.0.2.7', ['udp 192.0.2.7 5060'], []],
    [
      'we prefer TCP',
      'sip:plain.example:5060',
      ['tcp 192.0.2.4 5060'],
      ['plain.example'],
      { transports: ['tcp', 'udp'] },
    ],
  ])('%s', async (...[, uri, targets, questions, options]) => {
    const found = await locateSip(uri, resolver, options)
    expect(found.ok && found.value.map(({ transport, host, port }) => `${transport} ${host} ${port}`)).toEqual(targets)
    expect(asked).toEqual(questions)
  })

  test.each<[string, string, string, number, LocateOptions?]>([
    ['no such name', 'sip:nowhere.example', 'remote-server-not-found', 404],
    ['no answer', 'sip:trouble.example', 'remote-server-timeout', 504],
    ['not offered', 'sip:none.example', 'remote-server-not-found', 404],
    ['a transport we do not speak', 'sip:plain.example;transport=tls', 'remote-server-not-found', 404],
    [
      'a transport we were told not to speak',
      'sip:plain.example;transport=udp',
      'remote-server-not-found',
      404,
      { transports: ['tcp'] },
    ],
    ['sips', 'sips:plain.example', 'remote-server-not-found', 404],
    ['no URI', 'plain.example', 'remote-server-not-found', 404],
  ])('%s', async (...[, uri, condition, status, options]) => {
    expect(await locateSip(uri, resolver, options)).toMatchObject({ ok: false, failure: { condition, status } })
  })
})
