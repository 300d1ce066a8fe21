import { fail, ok } from '@stox/kernel'
import type { DnsFailure, NaptrRecord, SipDnsResolver, SrvRecord } from '../src/dns-resolver.ts'
import { locateSip } from '../src/locate-sip.ts'
import type { LocateOptions } from '../src/locate-sip.ts'

const NONE: DnsFailure = { kind: 'none', detail: 'no such name' }
const srv = (target: string, port: number, priority = 10, weight = 0): SrvRecord => ({ target, port, priority, weight })

const records: Readonly<Record<string, readonly SrvRecord[]>> = {
  '_sip._udp.both.example': [srv('b.both.example', 5062, 20), srv('a.both.example', 5061, 10)],
  '_sip._tcp.both.example': [srv('a.both.example', 5071)],
  '_sip._tcp.tcp.example': [srv('a.tcp.example', 5060)],
  '_sip._udp.none.example': [srv('', 0)],
  '_sips._tcp.safe.example': [srv('a.both.example', 5061)],
  '_sip._udp.safe.example': [srv('a.both.example', 5060)],
  '_sips._tcp.half.trouble.example': [srv('a.both.example', 5061)],
  '_x._tcp.listed.example': [srv('b.both.example', 5099)],
  '_y._udp.listed.example': [srv('a.both.example', 5098)],
}
const entry = (order: number, preference: number, service: string, replacement: string, flags = 's'): NaptrRecord => ({
  order,
  preference,
  flags,
  service,
  replacement,
})
const naptr: Readonly<Record<string, readonly NaptrRecord[]>> = {
  'listed.example': [
    entry(10, 20, 'SIP+D2U', '_y._udp.listed.example'),
    entry(10, 10, 'sip+d2t', '_x._tcp.listed.example'),
    entry(5, 10, 'SIPS+D2T', '_sips._tcp.safe.example', 'S'),
    entry(1, 1, 'E2U+sip', '_z._udp.listed.example'),
    entry(1, 1, 'SIP+D2U', '_z._udp.listed.example', 'u'),
  ],
  'other.example': [entry(1, 1, 'SIP+D2S', '_sip._sctp.other.example')],
}
const TLS: LocateOptions = { transports: ['tls', 'tcp', 'udp'] }
const addresses: Readonly<Record<string, readonly string[]>> = {
  'a.both.example': ['192.0.2.1'],
  'b.both.example': ['192.0.2.2', '2001:db8::2'],
  'a.tcp.example': ['192.0.2.3'],
  'plain.example': ['192.0.2.4'],
}
const asked: string[] = []
const resolver: SipDnsResolver = {
  naptr: async (name) => {
    const found = naptr[name]
    return found === undefined ? fail(NONE) : ok(found)
  },
  srv: async (name) => {
    asked.push(name)
    if (name.includes('trouble') && records[name] === undefined) return fail({ kind: 'trouble', detail: 'no answer' })
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
      '§4.1 a port and no transport: UDP, whatever we prefer',
      'sip:plain.example:5060',
      ['udp 192.0.2.4 5060'],
      ['plain.example'],
      { transports: ['tcp', 'udp'] },
    ],
    [
      '§4.1 NAPTR: by order and preference, of what we speak, with the names that it gives',
      'sip:listed.example',
      ['tls 192.0.2.1 5061', 'tcp 192.0.2.2 5099', 'tcp 2001:db8::2 5099', 'udp 192.0.2.1 5098'],
      [
        ...['_sips._tcp.safe.example', '_x._tcp.listed.example', '_y._udp.listed.example'],
        ...['a.both.example', 'b.both.example', 'a.both.example'],
      ],
      TLS,
    ],
    [
      '§4.1 NAPTR: without TLS what is listed for TLS is left out',
      'sip:listed.example',
      ['tcp 192.0.2.2 5099', 'tcp 2001:db8::2 5099', 'udp 192.0.2.1 5098'],
      ['_x._tcp.listed.example', '_y._udp.listed.example', 'b.both.example', 'a.both.example'],
    ],
    [
      '§4.1 NAPTR of nothing that we speak is none',
      'sip:other.example',
      [],
      ['_sip._udp.other.example', '_sip._tcp.other.example', 'other.example'],
    ],
    [
      '§4.1 no NAPTR: TLS, TCP, UDP',
      'sip:safe.example',
      ['tls 192.0.2.1 5061', 'udp 192.0.2.1 5060'],
      [
        ...['_sips._tcp.safe.example', '_sip._tcp.safe.example', '_sip._udp.safe.example'],
        ...['a.both.example', 'a.both.example'],
      ],
      TLS,
    ],
    [
      '§4.1 sips: TLS only, by its own SRV',
      'sips:romeo@safe.example;transport=tcp',
      ['tls 192.0.2.1 5061'],
      ['_sips._tcp.safe.example', 'a.both.example'],
      TLS,
    ],
    ['§4.2 sips numeric: 5061', 'sips:192.0.2.9', ['tls 192.0.2.9 5061'], [], TLS],
    ['§4.2 transport=tls numeric: 5061', 'sip:192.0.2.9;transport=tls', ['tls 192.0.2.9 5061'], [], TLS],
    [
      'trouble with one of several services leaves the others',
      'sip:half.trouble.example',
      ['tls 192.0.2.1 5061'],
      [
        ...['_sips._tcp.half.trouble.example', '_sip._tcp.half.trouble.example', '_sip._udp.half.trouble.example'],
        'a.both.example',
      ],
      TLS,
    ],
  ])('%s', async (...[, uri, targets, questions, options]) => {
    const found = await locateSip(uri, resolver, options)
    expect(found.ok && found.value.map(({ transport, host, port }) => `${transport} ${host} ${port}`)).toEqual(
      targets.length > 0 && targets,
    )
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

describe('RFC 5922 §7.2: the certificate is to be for the domain that was asked for, not for what DNS led to', () => {
  test.each<[string, string, readonly string[], readonly string[]]>([
    ['by SRV', 'sip:safe.example', [], ['safe.example']],
    ['an address: the domain that it serves', 'sips:192.0.2.9', ['sip.example'], ['sip.example']],
    ['by port', 'sip:plain.example:5061;transport=tls', ['sip.example'], ['plain.example', 'sip.example']],
  ])('%s', async (_case, uri, more, names) => {
    const found = await locateSip(uri, resolver, { ...TLS, names: more })
    expect(found.ok && found.value[0]).toMatchObject({ transport: 'tls', names })
  })
})
