import { dialbackKey, isDialbackKey } from '@stox/xmpp-engine'
import { domain, hashes } from './support.ts'

const row = (receiving: string, originating: string, streamId: string) => ({
  receiving: domain(receiving),
  originating: domain(originating),
  streamId,
})

test.each([
  [
    'XEP-0185 §3',
    's3cr3tf0rd14lb4ck',
    row('xmpp.example.com', 'example.org', 'D60000229F'),
    '37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643',
  ],
  [
    'XEP-0220 §2.1, capulet to montague',
    's3cr3tf0rd14lb4ck',
    row('montague.example', 'capulet.example', 'D60000229F'),
    'b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3',
  ],
  [
    'XEP-0220 §2.1, montague to capulet',
    'd14lb4ck43v3r',
    row('capulet.example', 'montague.example', '417GAF25'),
    '225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d',
  ],
])('%s', (_clause, secret, subject, key) => {
  expect(dialbackKey(hashes, secret, subject)).toBe(key)
  expect(isDialbackKey(hashes, secret, subject, key)).toBe(true)
})

describe('a key is right for one stream only', () => {
  const subject = row('a.example', 'b.example', 'id1')
  const key = dialbackKey(hashes, 'secret', subject)
  test.each([
    ['another stream', { ...subject, streamId: 'id2' }, key],
    ['the pair turned round', row('b.example', 'a.example', 'id1'), key],
    ['the last digit', subject, `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`],
    ['a shorter key', subject, key.slice(0, -1)],
    ['a longer key', subject, `${key}0`],
    ['capital letters', subject, key.toUpperCase()],
    ['nothing', subject, ''],
  ])('%s', (_name, claimed, text) => expect(isDialbackKey(hashes, 'secret', claimed, text)).toBe(false))
})
