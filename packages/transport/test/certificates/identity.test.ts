import type { ForgedName } from '@stox/testkit'
import { forgeCertificate, newForgedKeys } from '@stox/testkit'
import { matchIdentity, readCertificate } from '@stox/transport'

const keys = newForgedKeys()

function matched(domain: string, names: readonly ForgedName[], subject = 'x') {
  const certificate = readCertificate(forgeCertificate({ keys, subject, names }).der)
  if (!certificate.ok) throw new Error(certificate.failure.detail)
  return matchIdentity(domain, certificate.value)
}
const dns = (text: string): ForgedName => ({ kind: 'dns', text })
const srv = (text: string): ForgedName => ({ kind: 'srv', text })
const xmpp = (text: string): ForgedName => ({ kind: 'xmpp-addr', text })

test.each<[string, string, readonly ForgedName[], string, string]>([
  ['RFC 6120 §13.7.1.2.1: DNS-ID', 'montague.example', [dns('montague.example')], 'dns', 'montague.example'],
  ['any of several', 'b.example', [dns('a.example'), dns('b.example')], 'dns', 'b.example'],
  ['RFC 9525 §6.3: case', 'montague.example', [dns('Montague.EXAMPLE')], 'dns', 'montague.example'],
  ['case of the domain', 'MONTAGUE.example', [dns('montague.example')], 'dns', 'montague.example'],
  ['a wildcard', 'chat.montague.example', [dns('*.montague.example')], 'dns', '*.montague.example'],
  ['RFC 9525 §6.3: A-labels', 'xn--bcher-kva.example', [dns('xn--bcher-kva.example')], 'dns', 'xn--bcher-kva.example'],
  ['an A-label under a wildcard', 'xn--bcher-kva.a.example', [dns('*.a.example')], 'dns', '*.a.example'],
  ['SRV-ID', 'montague.example', [srv('_xmpp-server.montague.example')], 'srv', '_xmpp-server.montague.example'],
  ['SRV-ID, case', 'montague.example', [srv('_XMPP-Server.Montague.example')], 'srv', '_xmpp-server.montague.example'],
  [
    'SRV-ID, a wildcard',
    'a.montague.example',
    [srv('_xmpp-server.*.montague.example')],
    'srv',
    '_xmpp-server.*.montague.example',
  ],
  [
    'RFC 6120 §13.7.1.4: XmppAddr',
    'montague.example',
    [xmpp('montague.example')],
    'xmpp-addr',
    'xmpp:montague.example',
  ],
  [
    'XmppAddr in U-labels',
    'xn--bcher-kva.example',
    [xmpp('bücher.example')],
    'xmpp-addr',
    'xmpp:xn--bcher-kva.example',
  ],
  [
    'XmppAddr in A-labels',
    'xn--bcher-kva.example',
    [xmpp('xn--bcher-kva.example')],
    'xmpp-addr',
    'xmpp:xn--bcher-kva.example',
  ],
  [
    'DNS-ID first',
    'a.example',
    [xmpp('a.example'), srv('_xmpp-server.a.example'), dns('a.example')],
    'dns',
    'a.example',
  ],
  ['then SRV-ID', 'a.example', [xmpp('a.example'), srv('_xmpp-server.a.example')], 'srv', '_xmpp-server.a.example'],
])('%s', (_name, domain, names, by, presented) => {
  expect(matched(domain, names)).toEqual({ ok: true, value: { by, presented } })
})

test.each<[string, string, readonly ForgedName[]]>([
  ['another domain', 'montague.example', [dns('capulet.example')]],
  ['RFC 9525 §2: CN is no name', 'montague.example', []],
  ['a domain below', 'a.montague.example', [dns('montague.example')]],
  ['a domain above', 'montague.example', [dns('a.montague.example')]],
  ['a name that ends alike', 'montague.example', [dns('evilmontague.example')]],
  ['a wildcard for no label', 'montague.example', [dns('*.montague.example')]],
  ['a wildcard for two labels', 'a.b.montague.example', [dns('*.montague.example')]],
  ['a wildcard and an empty label', '.montague.example', [dns('*.montague.example')]],
  ['a wildcard of a top level', 'montague.example', [dns('*.example')]],
  ['SRV-ID of clients', 'montague.example', [srv('_xmpp-client.montague.example')]],
  ['SRV-ID of something else', 'montague.example', [srv('_sip.montague.example')]],
  ['the user of a domain', 'montague.example', [xmpp('romeo@montague.example')]],
  ['an address', '10.0.0.1', [dns('10.0.0.1'), { kind: 'ip', text: '10.0.0.1' }]],
  ['nothing', '', [dns('montague.example')]],
])('no match: %s', (_name, domain, names) => {
  expect(matched(domain, names, 'montague.example')).toMatchObject({ ok: false, failure: { kind: 'wrong-name' } })
})

test('a mismatch says what the certificate is for', () => {
  const names = [dns('capulet.example'), dns('*.capulet.example'), xmpp('capulet.example')]
  expect(matched('montague.example', names)).toMatchObject({
    failure: {
      text: 'The certificate is for capulet.example, *.capulet.example, xmpp:capulet.example, not for montague.example; the peer needs one with the DNS name montague.example.',
    },
  })
  expect(matched('montague.example', [])).toMatchObject({
    failure: { text: expect.stringContaining('for no XMPP domain at all') },
  })
  const many = Array.from({ length: 30 }, (_, index) => dns(`a${index}.example`))
  expect(matched('montague.example', many)).toMatchObject({
    failure: { text: expect.stringContaining('a9.example and 20 more') },
  })
})
