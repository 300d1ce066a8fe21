import type { StreamFailureInfo } from '@stox/transport'
import { failedRowsOf } from '../src/session-rows.ts'

test('what failed is a row with its sentence, and more for who asks', () => {
  const failure: StreamFailureInfo = {
    id: '7',
    direction: 'out',
    partner: 'xmpp.example',
    local: 'sip.example',
    remote: 'xmpp.example',
    remoteAddress: '192.0.2.1',
    remotePort: 5269,
    wasEstablished: false,
    kind: 'unreachable',
    stage: 'tcp',
    reason: 'connection-refused',
    sentence: 'Nothing listens there',
    advice: 'Ask',
    detail: '192.0.2.1 port 5269: ECONNREFUSED',
    firstAtMs: 1_700_000_000_000,
    lastAtMs: 1_700_000_060_000,
    times: 3,
  }
  const stranger = {
    ...failure,
    id: '8',
    direction: 'in',
    partner: undefined,
    local: undefined,
    remote: undefined,
  } as const
  expect(failedRowsOf('edge-1', [failure, stranger])).toMatchObject([
    {
      id: 'edge-1/failed-7',
      edge: 'edge-1',
      state: 'failed',
      direction: 'outbound',
      partner: 'xmpp.example',
      localDomain: 'sip.example',
      remoteDomain: 'xmpp.example',
      remoteAddress: '192.0.2.1',
      remotePort: 5269,
      establishedAtMs: 1_700_000_060_000,
      reason: 'Nothing listens there',
      failure: {
        stage: 'tcp',
        cause: 'connection-refused',
        advice: 'Ask',
        detail: '192.0.2.1 port 5269: ECONNREFUSED',
        times: 3,
        firstAtMs: 1_700_000_000_000,
      },
    },
    { id: 'edge-1/failed-8', state: 'failed', direction: 'inbound', localDomain: '', remoteDomain: '' },
  ])
})
