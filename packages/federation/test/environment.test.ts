import { withEnvironment } from '@stox/federation'
import { z } from 'zod'

const schema = z.strictObject({
  node: z.string(),
  xmpp: z.strictObject({ listen: z.array(z.string()), listenDirect: z.array(z.string()).default([]) }),
  count: z.number().default(1),
})
const file = { node: 'n', xmpp: { listen: ['a:1'] } }

test.each<[string, Record<string, string | undefined>, unknown]>([
  ['nothing said', {}, file],
  ['other variables', { PATH: '/bin', STOX_GATEWAY__NODE: 'g', STOX_EDGE__NODE: undefined }, file],
  ['a string stays one', { STOX_EDGE__NODE: '42' }, { ...file, node: '42' }],
  ['a list with commas', { STOX_EDGE__XMPP__LISTEN: 'b:2, c:3' }, { node: 'n', xmpp: { listen: ['b:2', 'c:3'] } }],
  ['a list as JSON', { STOX_EDGE__XMPP__LISTEN: '["d:4"]' }, { node: 'n', xmpp: { listen: ['d:4'] } }],
  [
    'two words',
    { STOX_EDGE__XMPP__LISTEN_DIRECT: 'e:5' },
    { node: 'n', xmpp: { listen: ['a:1'], listenDirect: ['e:5'] } },
  ],
  ['a number', { STOX_EDGE__COUNT: '7' }, { ...file, count: 7 }],
  [
    'an unknown name, for the check to find',
    { STOX_EDGE__XMPP__LISTNE: 'x' },
    { node: 'n', xmpp: { listen: ['a:1'], listne: 'x' } },
  ],
  ['a branch that the file has not', { STOX_EDGE__OPS__LISTEN: 'x' }, { ...file, ops: { listen: 'x' } }],
])('%s', (_case, env, expected) => {
  expect(withEnvironment(file, env, 'STOX_EDGE__', schema)).toEqual(expected)
})

test('what is no object is left to the check', () => {
  expect(withEnvironment('text', { STOX_EDGE__NODE: 'x' }, 'STOX_EDGE__', schema)).toBe('text')
})
