import { parseNameAddr, parseSipUri } from '@stox/sip'
import { formatJid, parseJid } from '@stox/xmpp'
import { jidToInstantUri, jidToSipText, sipAddressToJid, sipUriToJid } from '@stox/translate'

const jidOf = (text: string) => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(`not a JID: ${text}`)
  return jid.value
}

describe('SIP to XMPP', () => {
  test.each([
    ['1 RFC 7247 §6.4 step 3, percent-encoding [7247-6.4.3]', 'sip:f%C3%BC@sip.example', 'fü@sip.example'],
    [
      '2 RFC 7247 §6.4 step 5, apostrophe [7247-6.4.5 7247-6.2.2]',
      "sip:o'malley@sip.example",
      'o\\27malley@sip.example',
    ],
    ['3 RFC 7247 §6.4 step 8, gr [7247-6.4.8 7247-6.3.1]', 'sip:foo@sip.example;gr=bar', 'foo@sip.example/bar'],
    [
      '8 XEP-0106 §4',
      'sip:here%27s_a_wild_%26_%2Fcr%25zy%2F_address@example.com',
      'here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address@example.com',
    ],
    ['10 escaped apostrophe', 'sip:o%27malley@sip.example', 'o\\27malley@sip.example'],
    ['11 RFC 4475 esc01', 'sip:sips%3Auser%40example.com@example.net', 'sips\\3auser\\40example.com@example.net'],
    ['12 RFC 4475 semiuri', 'sip:user;par=u%40example.net@example.com', 'user;par=u\\40example.net@example.com'],
    ['13 RFC 4475 esc01 [7247-6.4.1 7247-6.4.2]', 'sip:%75se%72@example.com', 'user@example.com'],
    ['14 RFC 4475 esc01', 'sip:I%20have%20spaces@example.net', 'i\\20have\\20spaces@example.net'],
    ['20 password', 'sip:alice:secret@example.com', 'alice@example.com'],
    ['21 case and trailing dot [7247-6.4.6]', 'sip:Alice@EXAMPLE.com.', 'alice@example.com'],
    ['22 port, parameters, headers', 'sip:alice@example.com:5060;transport=tcp?subject=x', 'alice@example.com'],
    ['23 phone', 'sip:+15551234567@example.com;user=phone', '+15551234567@example.com'],
    ['24 no user', 'sip:example.com', 'example.com'],
    ['25 backslash', 'sip:foo%5Cbar@example.com', 'foo\\bar@example.com'],
    ['26 backslash before a code', 'sip:%5C27@example.com', '\\5c27@example.com'],
    ['27 XEP-0106 example 12', 'sip:c%3A%5C5commas@example.com', 'c\\3a\\5c5commas@example.com'],
    ['28 quotes', 'sip:%22ishmael%22@example.com', '\\22ishmael\\22@example.com'],
    ['29 angle brackets', 'sip:joe%3Cb%3E@example.com', 'joe\\3cb\\3e@example.com'],
    ['30 RFC 7247 §6.2', 'sip:foo%23bar%25baz@example.com', 'foo#bar%baz@example.com'],
    ['31 A-label [7247-6.4.7]', 'sip:alice@xn--mnchen-3ya.example', 'alice@münchen.example'],
    [
      '32 RFC 5627 gr [7572-5.3]',
      'sip:alice@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
      'alice@example.com/urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    ],
    ['33 temporary GRUU [7247-6.3.2]', 'sip:tgruu.7hs@example.com;gr', 'tgruu.7hs@example.com'],
    ['34 space in gr', 'sip:alice@example.com;gr=a%20b', 'alice@example.com/a b'],
    ['35 RFC 7622 example 12', 'sip:king@example.com;gr=%E2%99%9A', 'king@example.com/♚'],
    ['37 im', 'im:romeo@example.net', 'romeo@example.net'],
    ['37 pres', 'pres:romeo@example.net', 'romeo@example.net'],
  ])('vector %s', (_clause, uri, expected) => {
    const parsed = parseSipUri(uri)
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    const jid = sipUriToJid(parsed.value)
    expect(jid.ok ? formatJid(jid.value) : jid.failure.detail).toBe(expected)
  })

  test('vector 36 RFC 8048 example 3: gr outside the brackets', () => {
    const contact = parseNameAddr('<sip:romeo@example.net>;gr=dr4hcr0st3lup4c')
    if (!contact.ok) throw new Error(contact.failure.detail)
    const jid = sipAddressToJid(contact.value)
    expect(jid.ok ? formatJid(jid.value) : '').toBe('romeo@example.net/dr4hcr0st3lup4c')
  })

  test.each([
    ['15 RFC 4475 escnull', 'sip:null-%00-null@example.com', 400],
    ['16 RFC 4475 escnull', 'sip:%00@host5.example.com', 400],
    ['17 bad escape', 'sip:bad%zz@example.com', 400],
    ['18 not UTF-8 [7247-6.4.4]', 'sip:x%FF@example.com', 400],
    ['19 space at the edge', 'sip:%20ab@example.com', 404],
    ['19 space at the other edge', 'sip:ab%20@example.com', 404],
    ['A.6 tel', 'tel:+15551234567', 416],
  ])('vector %s is refused', (_clause, uri, status) => {
    const parsed = parseSipUri(uri)
    if (!parsed.ok) return expect(status).toBe(400)
    const jid = sipUriToJid(parsed.value)
    expect(jid.ok ? 'accepted' : jid.failure.status).toBe(status)
  })

  test('vector 38 RFC 7247 §8, RFC 5630 §5: sips [7247-8.1]', () => {
    const parsed = parseSipUri('sips:alice@example.com')
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    const jid = sipUriToJid(parsed.value)
    if (jid.ok) throw new Error('accepted')
    expect(jid.failure.status).toBe(480)
    expect(jid.failure.headers).toEqual([['Warning', expect.stringMatching(/^380 .*"SIPS Not Allowed"$/)]])
  })
})

describe('XMPP to SIP', () => {
  test.each([
    ['4 RFC 7247 §6.5, unescaped [7247-6.5.3]', 'm\\26m@xmpp.example', 'sip:m&m@xmpp.example'],
    ['5 RFC 7247 §6.5, UTF-8 [7247-6.5.4 7247-6.2.3]', 'tschüss@xmpp.example', 'sip:tsch%C3%BCss@xmpp.example'],
    [
      '6 RFC 7247 §6.5, the resource [7247-6.5.1 7247-6.5.8 7247-6.3.1]',
      'baz@xmpp.example/qux',
      'sip:baz@xmpp.example;gr=qux',
    ],
    ['7 RFC 7572 example 1–2', 'juliet@example.com/yn0cl4bnw0yr3vym', 'sip:juliet@example.com;gr=yn0cl4bnw0yr3vym'],
    [
      '9 one spelling',
      'here\\27s_a_wild_\\26_\\2fcr%zy\\2f_address@example.com',
      "sip:here's_a_wild_&_/cr%25zy/_address@example.com",
    ],
    ['39 space', 'space\\20cadet@example.com', 'sip:space%20cadet@example.com'],
    ['40 quotes', 'call\\20me\\20\\22ishmael\\22@example.com', 'sip:call%20me%20%22ishmael%22@example.com'],
    ['41 at', 'user\\40host@example.com', 'sip:user%40host@example.com'],
    ['42 backslash', 'c\\3a\\5c5commas@example.com', 'sip:c%3A%5C5commas@example.com'],
    ['43 no escapes', '\\2plus\\2is\\4@example.com', 'sip:%5C2plus%5C2is%5C4@example.com'],
    ['44 brackets', '\\3cfoo\\3e@example.com', 'sip:%3Cfoo%3E@example.com'],
    ['45 sharp s', 'fußball@example.com', 'sip:fu%C3%9Fball@example.com'],
    ['46 pi', 'π@example.com', 'sip:%CF%80@example.com'],
    [
      '47 RFC 7247 §6.5 step 5, the whole set [7247-6.5.5 7247-6.2.1]',
      'a#b%c[d]e^f`g{h|i}j@example.com',
      'sip:a%23b%25c%5Bd%5De%5Ef%60g%7Bh%7Ci%7Dj@example.com',
    ],
    ['48 space in the resource', 'juliet@example.com/foo bar', 'sip:juliet@example.com;gr=foo%20bar'],
    ['49 at in the resource', 'juliet@example.com/foo@bar', 'sip:juliet@example.com;gr=foo%40bar'],
    [
      '50 separators in the resource',
      'alice@example.com/a;b=c,d?e"f',
      'sip:alice@example.com;gr=a%3Bb%3Dc%2Cd%3Fe%22f',
    ],
    [
      '51 base64 in the resource',
      'alice@example.com/Conversations.Aa1+/=',
      'sip:alice@example.com;gr=Conversations.Aa1+/%3D',
    ],
    ['52 RFC 7622 example 15 [7247-6.5.2]', 'a.example.com/b@example.net', 'sip:a.example.com;gr=b%40example.net'],
    ['53 U-label [7247-6.5.6]', 'alice@münchen.example/x', 'sip:alice@xn--mnchen-3ya.example;gr=x'],
  ])('vector %s', (_clause, jid, uri) => expect(jidToSipText(jidOf(jid))).toBe(uri))

  test('A.5: gr can be left out', () =>
    expect(jidToSipText(jidOf('baz@xmpp.example/qux'), 'off')).toBe('sip:baz@xmpp.example'))

  test.each([
    ['54 [7247-6.5.7]', 'im', 'o\\27malley.jr(x)[y]@example.com', "im:o'malley.jr%28x%29%5By%5D@example.com"],
    ['55', 'pres', 'tschüss;a@example.com', 'pres:tsch%C3%BCss%3Ba@example.com'],
  ] as const)('vector %s %s', (_clause, scheme, jid, uri) => expect(jidToInstantUri(scheme, jidOf(jid))).toBe(uri))

  test.each([
    '"juliet"@example.com',
    'foo bar@example.com',
    'juliet@',
    '/foobar',
    'juliet@example.com/ foo',
    'henryⅣ@example.com',
    '♚@example.com',
  ])('vector 56 RFC 7622 §3.5: %s is no address', (text) => expect(parseJid(text).ok).toBe(false))

  test('vector 57: lossy by design, and no loop', () => {
    const uri = jidToSipText(jidOf('foo\\5cbar@example.com'))
    expect(uri).toBe('sip:foo%5Cbar@example.com')
    const parsed = parseSipUri(uri)
    if (!parsed.ok) throw new Error(parsed.failure.detail)
    const back = sipUriToJid(parsed.value)
    expect(back.ok ? formatJid(back.value) : '').toBe('foo\\bar@example.com')
  })
})
