import { parseXmlDocument, serializeXml } from '@stox/xml'
import { latin1 } from './feeding.ts'

describe('parseXmlDocument', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['plain', '<a/>', '<a/>'],
    ['declaration, BOM, space', '\ufeff<?xml version="1.0" encoding="UTF-8"?>\r\n<a>x</a>\r\n', '<a>x</a>'],
    ['comments and instructions', '<?xml-s a>b?><!-- <x> --><a><!--y-->1<?p q?>2</a><!---->', '<a>12</a>'],
    ['bytes', latin1('<a>\xc3\xa9</a>'), '<a>é</a>'],
    [
      'PIDF (RFC 3863 §4.3.1)',
      `<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="pres:someone@example.com"><tuple id="sg89ae"><status><basic>open</basic></status></tuple></presence>`,
      "<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:someone@example.com'><tuple id='sg89ae'><status><basic>open</basic></status></tuple></presence>",
    ],
  ])('%s', (_name, text, expected) => {
    const result = parseXmlDocument(text)
    expect(result.ok && serializeXml(result.value)).toBe(expected)
  })

  test.each<[string, string | Uint8Array, string]>([
    ['nothing', '', 'not-well-formed'],
    ['only space', ' \n', 'not-well-formed'],
    ['unfinished', '<a><b/>', 'not-well-formed'],
    ['unfinished comment behind', '<a/><!-- ', 'not-well-formed'],
    ['second root', '<a/><b/>', 'not-well-formed'],
    ['text behind', '<a/>x', 'not-well-formed'],
    ['DTD', '<!DOCTYPE a><a/>', 'restricted-xml'],
    ['DTD in the element', '<a><!DOCTYPE a></a>', 'restricted-xml'],
    ['two hyphens in a comment', '<a><!-- -- --></a>', 'not-well-formed'],
    ['comment that ends in three hyphens', '<a><!-- ---></a>', 'not-well-formed'],
    ['declaration in the middle', '<a><?xml version="1.0"?></a>', 'not-well-formed'],
    ['instruction without a name', '<a>< ?></a>'.replace('< ?', '<? ?'), 'not-well-formed'],
    ['other encoding', '<?xml version="1.0" encoding="ISO-8859-1"?><a/>', 'unsupported-encoding'],
    ['lone surrogate', '<a>\ud800</a>', 'not-well-formed'],
    ['bad UTF-8', latin1('<a>\xff</a>'), 'not-well-formed'],
    ['bad UTF-8 in a comment', latin1('<a><!--\xff--></a>'), 'not-well-formed'],
  ])('refuses: %s', (_name, text, condition) => {
    const result = parseXmlDocument(text)
    expect(result.ok ? 'accepted' : result.failure.condition).toBe(condition)
  })

  test('limits', () => {
    const result = parseXmlDocument('<a><b><c/></b></a>', { maxDepth: 2 })
    expect(result.ok ? 'accepted' : result.failure.condition).toBe('policy-violation')
  })
})
