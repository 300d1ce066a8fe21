import { failedRowsOf } from '../src/session-rows.ts'

test('a stream that failed is a row with its reason', () => {
  const failure = { atMs: 1_700_000_000_000, direction: 'out', local: 'sip.example', remote: 'xmpp.example' } as const
  const rows = failedRowsOf('edge-1', [
    { ...failure, kind: 'unreachable', detail: '127.0.0.1 port 5269: ECONNREFUSED' },
    { ...failure, direction: 'in', local: undefined, remote: undefined, kind: 'timeout', detail: 'no stream header' },
  ])
  expect(rows).toMatchObject([
    {
      edge: 'edge-1',
      state: 'failed',
      direction: 'outbound',
      localDomain: 'sip.example',
      remoteDomain: 'xmpp.example',
      reason: 'unreachable: 127.0.0.1 port 5269: ECONNREFUSED',
    },
    { state: 'failed', direction: 'inbound', localDomain: '', remoteDomain: '', reason: 'timeout: no stream header' },
  ])
  expect(new Set(rows.map(({ id }) => id)).size).toBe(2)
})
