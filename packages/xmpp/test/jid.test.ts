import fc from 'fast-check'
import {
  bareJid,
  domainToAscii,
  escapeLocal,
  formatBareJid,
  formatJid,
  parseDomain,
  parseJid,
  prepLocal,
  prepResource,
  sameBareJid,
  unescapeLocal,
} from '@stox/xmpp'

const normal = (text: string): string | undefined => {
  const jid = parseJid(text)
  return jid.ok ? formatJid(jid.value) : undefined
}

describe('RFC 7622 §3.5', () => {
  test.each([
    ['1', 'juliet@example.com', ['juliet', 'example.com', undefined]],
    ['2', 'juliet@example.com/foo', ['juliet', 'example.com', 'foo']],
    ['3', 'juliet@example.com/foo bar', ['juliet', 'example.com', 'foo bar']],
    ['4', 'juliet@example.com/foo@bar', ['juliet', 'example.com', 'foo@bar']],
    ['5', 'foo\\20bar@example.com', ['foo\\20bar', 'example.com', undefined]],
    ['6', 'fussball@example.com', ['fussball', 'example.com', undefined]],
    ['7', 'fußball@example.com', ['fußball', 'example.com', undefined]],
    ['8', 'π@example.com', ['π', 'example.com', undefined]],
    ['9', 'Σ@example.com/foo', ['σ', 'example.com', 'foo']],
    ['10', 'σ@example.com/foo', ['σ', 'example.com', 'foo']],
    ['11', 'ς@example.com/foo', ['ς', 'example.com', 'foo']],
    ['12', 'king@example.com/♚', ['king', 'example.com', '♚']],
    ['13', 'example.com', [undefined, 'example.com', undefined]],
    ['14', 'example.com/foobar', [undefined, 'example.com', 'foobar']],
    ['15', 'a.example.com/b@example.net', [undefined, 'a.example.com', 'b@example.net']],
  ])('table 1, %s: %s', (_row, text, [local, domain, resource]) => {
    expect(parseJid(text)).toEqual({ ok: true, value: { local, domain, resource } })
  })

  test.each([
    ['table 2, 1', '"juliet"@example.com'],
    ['table 2, 2', 'foo bar@example.com'],
    ['table 2, 3', 'juliet@example.com/ foo'],
    ['table 2, 4', '@example.com/'],
    ['table 2, 5', 'henryⅣ@example.com'],
    ['table 2, 6', '♚@example.com'],
    ['table 2, 7', 'juliet@'],
    ['table 2, 8', '/foobar'],
    ['§3.1, nothing', ''],
    ['§3.3, empty local part', '@example.com'],
    ['§3.4, empty resource', 'a@example.com/'],
    ['§3.4, space at the end', 'a@example.com/foo '],
    ['§3.4, only a space', 'a@example.com/ '],
    ['§3.4, control', 'a@example.com/a\u0007'],
    ['§3.4, NUL', 'a@example.com/a\0'],
    ['§3.3.1, &', 'a&b@example.com'],
    ["§3.3.1, '", "a'b@example.com"],
    ['§3.3.1, :', 'a:b@example.com'],
    ['§3.3.1, <', 'a<b@example.com'],
    ['§3.3.1, @ twice', 'a@b@example.com'],
    ['§3.3.1, full-width @', 'a＠b@example.com'],
    ['§3.3, control', 'a\tb@example.com'],
    ['§3.3, lone surrogate', 'a\ud800@example.com'],
    ['§3.3, zero width space', 'a\u200bb@example.com'],
    ['§3.3, unassigned', 'a\u0378@example.com'],
    ['§3.3, ligature', 'ﬁ@example.com'],
    ['§3.3, emoji', '😀@example.com'],
    ['§3.3, conjoining jamo', '\u1100@example.com'],
    ['§3.3, too long', `${'a'.repeat(1024)}@example.com`],
    ['§3.3, too long in UTF-8', `${'é'.repeat(512)}@example.com`],
    ['§3.4, too long', `a@example.com/${'a'.repeat(1024)}`],
    ['§3.2, space', 'a@exam ple.com'],
    ['§3.2, empty label', 'a@x..y'],
    ['§3.2, only a dot', 'a@.'],
    ['§3.2, two dots at the end', 'a@example.com..'],
    ['§3.2, dot at the start', 'a@.example.com'],
    ['§3.2, underscore', 'a@a_b.example'],
    ['§3.2, hyphen at the start', 'a@-a.b'],
    ['§3.2, hyphen at the end', 'a@a-.b'],
    ['§3.2, hyphens in third and fourth place', 'a@ab--c.d'],
    ['§3.2, label of 64', `a@${'a'.repeat(64)}.example`],
    ['§3.2, 254 characters', `a@${`${'a'.repeat(49)}.`.repeat(5)}abcd`],
    ['§3.2, bad A-label', 'a@xn--a.example'],
    ['§3.2, symbol', 'a@☃.example'],
    ['§3.2, percent', 'a@a%2eb'],
    ['§3.2, NUL', 'a@example.com\0'],
    ['§3.2, bad IPv6 literal', 'a@[::1'],
    ['§3.2, bad IPv6 literal', 'a@[1:2:3]'],
    ['§3.2, bad IPv6 literal', 'a@[::1::]'],
  ])('%s: %s', (_clause, text) => expect(parseJid(text).ok).toBe(false))

  test.each([
    ['§3.2, an IPv4 address', 'a@192.0.2.1'],
    ['§3.2, an IPv6 literal', 'a@[2001:db8::1]'],
    ['§3.2, an IPv6 literal with IPv4', 'a@[::ffff:192.0.2.1]'],
    ['§3.2, digits as they are', '1.2.3'],
    ['§3.2, a label of 63', `${'a'.repeat(63)}.example`],
    ['§3.2, 253 characters', `${`${'a'.repeat(49)}.`.repeat(5)}abc`],
    ['§3.3, 1023 octets', `${'a'.repeat(1023)}@example.com`],
    ['§3.4, 1023 octets', `a@example.com/${'x'.repeat(1023)}`],
    ['§3.3.1, all that ASCII allows', '!#$%()*+,-.0123456789;=?[\\]^_`abcxyz{|}~@example.com'],
  ])('%s is kept as it is', (_clause, text) => expect(normal(text)).toBe(text))
})

describe('normal form', () => {
  test.each([
    ['case of the local part', 'Juliet@example.com', 'juliet@example.com'],
    ['case beyond ASCII', 'ÉTÉ@example.com', 'été@example.com'],
    ['width', 'ｊｕｌｉｅｔ@example.com', 'juliet@example.com'],
    ['half-width katakana', 'ｶ@example.com', 'カ@example.com'],
    ['composition', 'e\u0301te@example.com', '\xe9te@example.com'],
    ['composition in the resource', 'a@example.com/e\u0301', 'a@example.com/\xe9'],
    ['spaces in the resource', 'a@example.com/x\u00a0y\u3000z', 'a@example.com/x y z'],
    ['case of the domain', 'a@EXAMPLE.com', 'a@example.com'],
    ['final dot', 'a@example.com./r', 'a@example.com/r'],
    ['A-label', 'a@xn--mnchen-3ya.example', 'a@münchen.example'],
    ['A-label in capitals', 'a@XN--MNCHEN-3YA.example', 'a@münchen.example'],
    ['U-label in capitals', 'a@MÜNCHEN.example', 'a@münchen.example'],
    ['sharp s is not ss in domains either', 'a@faß.example', 'a@faß.example'],
    ['ideographic full stop', 'a@example。com', 'a@example.com'],
  ])('%s', (_name, text, expected) => expect(normal(text)).toBe(expected))

  test.each([
    ['ß and ss', 'fußball@example.com', 'fussball@example.com'],
    ['σ and ς', 'σ@example.com', 'ς@example.com'],
    ['case of the resource', 'a@example.com/Foo', 'a@example.com/foo'],
    ['width of the resource', 'a@example.com/ａ', 'a@example.com/a'],
    ['an escape and its character', 'a\\5cb@example.com', 'a\\b@example.com'],
  ])('%s differ', (_name, one, other) => {
    expect(normal(one)).toBeDefined()
    expect(normal(one)).not.toBe(normal(other))
  })

  test.each<[string, string, boolean]>([
    ['RFC 5892 A.3, middle dot between l', 'l·l', true],
    ['RFC 5892 A.3, middle dot elsewhere', 'a·b', false],
    ['RFC 5892 A.4, keraia before Greek', '\u0375α', true],
    ['RFC 5892 A.4, keraia elsewhere', '\u0375a', false],
    ['RFC 5892 A.5, geresh after Hebrew', 'א\u05f3', true],
    ['RFC 5892 A.5, geresh elsewhere', '\u05f3א', false],
    ['RFC 5892 A.7, katakana middle dot', 'カ・カ', true],
    ['RFC 5892 A.7, katakana middle dot in Latin', 'a・b', false],
    ['RFC 5892 A.8, one kind of Arabic digits', 'ا١٢', true],
    ['RFC 5892 A.8, two kinds', 'ا١۲', false],
    ['RFC 5892 A.2, joiner after a virama', 'क\u094d\u200dष', true],
    ['RFC 5892 A.2, joiner elsewhere', 'a\u200db', false],
    ['RFC 5893 §2, Hebrew', 'שלום', true],
    ['RFC 5893 §2, Hebrew and digits', 'שלום7', true],
    ['RFC 5893 §2, digit first', '7שלום', false],
    ['RFC 5893 §2, both directions', 'שa', false],
    ['RFC 5893 §2, both directions, left first', 'aש', false],
    ['RFC 5893 §2, ends in punctuation', 'ש-', false],
    ['RFC 5893 §2, European and Arabic digits', 'ا1١', false],
    ['RFC 8264 §9.6, exception', 'ا\u0640', false],
  ])('%s', (_clause, local, accepted) => expect(prepLocal(local).ok).toBe(accepted))

  test('prepLocal and prepResource alone', () => {
    expect(prepLocal('Foo')).toEqual({ ok: true, value: 'foo' })
    expect(prepLocal('')).toMatchObject({ ok: false, failure: { kind: 'jid-malformed' } })
    expect(prepResource('Foo Bar')).toEqual({ ok: true, value: 'Foo Bar' })
    expect(prepResource('')).toMatchObject({ ok: false, failure: { kind: 'jid-malformed' } })
  })

  test('any text is refused or has one normal form', () => {
    const part = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), fc.string({ unit: 'grapheme', maxLength: 8 }))
    const text = fc.tuple(part, part, part).map(([a, b, c]) => `${a}@${b}.example/${c}`)
    const easy = fc.tuple(part, part).map(([a, b]) => `${a}@example.com/${b}`)
    let accepted = 0
    fc.assert(
      fc.property(fc.oneof(text, easy, part), (address) => {
        const form = normal(address)
        if (form === undefined) return
        accepted += 1
        expect(parseJid(form)).toEqual(parseJid(address))
        expect(normal(form)).toBe(form)
      }),
      { seed: 11, numRuns: 1500 },
    )
    expect(accepted).toBeGreaterThan(50)
  })
})

test('parts of an address', () => {
  const jid = parseJid('a@example.com/r')
  const other = parseJid('A@Example.com/other')
  if (!jid.ok || !other.ok) throw new Error('refused')
  expect(bareJid(jid.value)).toEqual({ local: 'a', domain: 'example.com', resource: undefined })
  expect(formatBareJid(jid.value)).toBe('a@example.com')
  expect(sameBareJid(jid.value, other.value)).toBe(true)
  expect(parseJid('a@example.com/r')).toEqual(jid)
})

test.each([
  ['münchen.example', 'xn--mnchen-3ya.example'],
  ['faß.example', 'xn--fa-hia.example'],
  ['example.com', 'example.com'],
])('domainToAscii(%s)', (text, ascii) => {
  const domain = parseDomain(text)
  expect(domain.ok && domainToAscii(domain.value)).toBe(ascii)
})

describe('XEP-0106', () => {
  test.each([
    ['§5.1, space', 'space cadet', 'space\\20cadet'],
    ['§5.1, quotes', 'call me "ishmael"', 'call\\20me\\20\\22ishmael\\22'],
    ['§5.1, ampersand', 'at&t guy', 'at\\26t\\20guy'],
    ['§5.1, apostrophe', "d'artagnan", 'd\\27artagnan'],
    ['§5.1, slash', '/.fanboy', '\\2f.fanboy'],
    ['§5.1, colons', '::foo::', '\\3a\\3afoo\\3a\\3a'],
    ['§5.1, angle brackets', '<foo>', '\\3cfoo\\3e'],
    ['§5.1, at', 'user@host', 'user\\40host'],
    ['§5.1, backslash that escapes nothing', 'c:\\net', 'c\\3a\\net'],
    ['§5.1, two backslashes', 'c:\\\\net', 'c\\3a\\\\net'],
    ['§5.1, backslash before a code', 'c:\\cool stuff', 'c\\3a\\cool\\20stuff'],
    ['§5.1, backslash before 5c', 'c:\\5commas', 'c\\3a\\5c5commas'],
    ['§4.2, backslash before 27', '\\27', '\\5c27'],
    ['mapping A.8 43', '\\2plus\\2is\\4', '\\2plus\\2is\\4'],
  ])('%s', (_clause, text, local) => {
    expect(escapeLocal(text)).toBe(local)
    expect(unescapeLocal(local)).toBe(text)
  })

  test('capital codes are no escapes, and nothing is unescaped twice', () => {
    expect(unescapeLocal('\\2F\\5C')).toBe('\\2F\\5C')
    expect(unescapeLocal('\\5c2f')).toBe('\\2f')
  })

  test('unescaping undoes escaping', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...' "&\'/:<>@\\20275cafe') }), (text) => {
        expect(unescapeLocal(escapeLocal(text))).toBe(text)
        expect(escapeLocal(text)).not.toMatch(/[ "&'/:<>@]/)
      }),
      { seed: 5, numRuns: 2000 },
    )
  })
})
