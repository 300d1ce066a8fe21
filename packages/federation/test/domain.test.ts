import { domainToAscii, normaliseDomain } from '../src/domain.ts'

test.each([
  ['lower case', 'Montague.EXAMPLE', 'montague.example'],
  ['no trailing dot', 'montague.example.', 'montague.example'],
  ['A-labels become U-labels', 'xn--bcher-kva.example', 'bücher.example'],
  ['U-labels stay', 'BÜCHER.example', 'bücher.example'],
  ['ß is a letter of its own (IDNA2008)', 'straße.example', 'straße.example'],
  ['full-width dots', 'a。example', 'a.example'],
  ['an address', '192.0.2.1', '192.0.2.1'],
  ['one label', 'localhost', 'localhost'],
  ['white space around it', ' a.example ', 'a.example'],
])('%s', (_what, text, expected) => expect(normaliseDomain(text)).toBe(expected))

test.each([
  ['nothing', ''],
  ['a dot', '.'],
  ['an empty label', 'a..example'],
  ['a wildcard', '*.example'],
  ['an underscore', '_xmpp.example'],
  ['a leading hyphen', '-a.example'],
  ['bad punycode', 'xn--a-ecp.example'],
  ['a space inside', 'a b.example'],
  ['a JID', 'juliet@capulet.example'],
  ['a port', 'a.example:5269'],
  ['a label of 64 octets', `${'a'.repeat(64)}.example`],
  ['more than 253 octets', `${'abcdefghi.'.repeat(26)}example`],
])('%s is no domain', (_what, text) => expect(normaliseDomain(text)).toBeUndefined())

test('a normalised domain stays what it is', () => {
  const once = normaliseDomain('XN--BCHER-KVA.Example.')
  expect(normaliseDomain(once ?? '')).toBe(once)
})

test('DNS and SIP spell it in ASCII', () => expect(domainToAscii('bücher.example')).toBe('xn--bcher-kva.example'))
