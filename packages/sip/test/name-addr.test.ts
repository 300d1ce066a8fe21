import { formatNameAddr, nameAddr, newSipUri, parseNameAddr, tagOf, withTag } from '../src/index.ts'
import type { NameAddr } from '../src/index.ts'

function address(text: string): NameAddr {
  const parsed = parseNameAddr(text)
  if (!parsed.ok) throw new Error(`${text}: ${parsed.failure.detail}`)
  return parsed.value
}

test.each([
  ['RFC 3261 §20.10', '"Mr. Watson" <sip:watson@worcester.bell-telephone.com>;q=0.7;expires=3600', 'Mr. Watson'],
  ['RFC 3261 §20.20', 'Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8', 'Anonymous'],
  ['RFC 3261 §20.20', 'sip:+12125551212@server.phone2net.com;tag=887s', undefined],
  ['several tokens', 'T. A. Watson <sip:ta_watson@example.com>', 'T. A. Watson'],
  ['no space', 'caller<sip:caller@example.com>', 'caller'],
  ['escapes', '"J \\"R\\" \\\\" <sip:j@example.com>', 'J "R" \\'],
  ['UTF-8 in quotes', '"Jürgen 大停電" <sip:j@example.com>', 'Jürgen 大停電'],
  ['UTF-8 without quotes', 'Jürgen <sip:j@example.com>', 'Jürgen'],
  ['an empty name', '"" <sip:j@example.com>', undefined],
  ['a comma and a bracket in quotes', '"Bell, <A>" <sip:j@example.com>', 'Bell, <A>'],
])('%s: %s', (_what, text, displayName) => expect(address(text).displayName).toBe(displayName))

test('without brackets, parameters belong to the header; with them, to the URI. RFC 3261 §20', () => {
  expect(address('sip:j@example.com;tag=1')).toMatchObject({ params: new Map([['tag', '1']]) })
  const bracketed = address('<sip:j@example.com;tag=1>;tag=2')
  expect([bracketed.uri.params.get('tag'), tagOf(bracketed)]).toEqual(['1', '2'])
})

test('a gr outside the brackets, as RFC 8048 prints it, is a header parameter', () => {
  expect(address('<sip:romeo@example.net>;gr=dr4hcr0st3lup4c').params.get('gr')).toBe('dr4hcr0st3lup4c')
})

test.each([
  ['nothing', ''],
  ['a quote that does not close', '"Mr. J <sip:j@example.com>'],
  ['a name without an address', '"Mr. J"'],
  ['a bracket that does not close', '<sip:j@example.com'],
  ['a space in the brackets', '< sip:j@example.com >'],
  ['a comma in a name without quotes', 'Bell, Alexander <sip:a.g.bell@example.com>'],
  ['a question mark without brackets', 'sip:j@example.com?subject=x'],
  ['a comma without brackets', 'sip:j@example.com,sip:k@example.com'],
  ['an empty parameter', '<sip:j@example.com>;;tag=1'],
  ['a parameter twice', '<sip:j@example.com>;tag=1;TAG=2'],
  ['an empty tag', '<sip:j@example.com>;tag='],
  ['text behind', '<sip:j@example.com> x'],
  ['a null in quotes', '"a\0b" <sip:j@example.com>'],
])('%s is refused: %s', (_what, text) => expect(parseNameAddr(text)).toMatchObject({ ok: false }))

const juliet = newSipUri({ user: 'juliet', host: 'example.com' })

test('a display name is quoted, and cannot break out of its quotes or its line', () => {
  const name = 'J "x" \\ <sip:evil@example.org>\r\nVia: y'
  const text = formatNameAddr(nameAddr(juliet, name, 'abc'))
  expect(text).toBe('"J \\"x\\" \\\\ <sip:evil@example.org>  Via: y" <sip:juliet@example.com>;tag=abc')
  expect(address(text)).toEqual(nameAddr(juliet, 'J "x" \\ <sip:evil@example.org>  Via: y', 'abc'))
})

test('a tag with what no parameter may hold is thrown out', () => {
  expect(() => formatNameAddr(nameAddr(juliet, undefined, 'a b'))).toThrow(RangeError)
  expect(() => formatNameAddr(nameAddr(juliet, undefined, 'a\r\nb'))).toThrow(RangeError)
})

test('a tag can be put on, replaced and taken off', () => {
  const tagged = withTag(nameAddr(juliet), 'a')
  expect([tagOf(tagged), tagOf(withTag(tagged, 'b')), tagOf(withTag(tagged, undefined))]).toEqual(['a', 'b', undefined])
})
