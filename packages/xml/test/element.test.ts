import { XmlElement, attrOf, childOf, childrenOf, el, isElement, localNameOf, namespaceOf, textOf } from '@stox/xml'

const tree = el(
  'a',
  { xmlns: 'urn:a', 'xmlns:p': 'urn:p' },
  'one',
  el('b', { xmlns: '' }, el('c'), el('p:c')),
  'two',
  el('p:b', { 'p:x': '1', y: undefined }),
)

test('el builds ltx elements and adopts its children', () => {
  expect(tree).toBeInstanceOf(XmlElement)
  expect(childrenOf(tree).map((child) => child.parent === tree)).toEqual([true, true])
})

test('namespaces, own and inherited, and none', () => {
  const [bare, prefixed] = childrenOf(tree)
  expect([tree, bare!, ...childrenOf(bare!), prefixed!].map(namespaceOf)).toEqual(['urn:a', '', '', 'urn:p', 'urn:p'])
  expect(namespaceOf(el('xml:x'))).toBe('http://www.w3.org/XML/1998/namespace')
  expect(namespaceOf(el('q:x'))).toBe('')
})

test('finding and reading', () => {
  expect(childOf(tree, 'b', 'urn:p')).toBe(childrenOf(tree)[1])
  expect(childOf(tree, 'b', 'urn:a')).toBeUndefined()
  expect(isElement(tree, 'a', 'urn:a')).toBe(true)
  expect(localNameOf(childrenOf(tree)[1]!)).toBe('b')
  expect(textOf(tree)).toBe('onetwo')
  expect(attrOf(tree, 'constructor')).toBeUndefined()
  expect(attrOf(tree, 'xmlns')).toBe('urn:a')
})
