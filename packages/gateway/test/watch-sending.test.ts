import { silentLog } from '@stox/kernel'
import { localDomainSchema } from '@stox/federation'
import { newSipRequest } from '@stox/sip'
import type { SendOptions } from '../src/send-sip.ts'
import { newEntry } from '../src/watch-entry.ts'
import { sendInWatch } from '../src/watch-sending.ts'
import { addr, FakeLink, countingIds, indexFor, metrics, presenceOf, respondTo } from './stage.ts'

const { to: JULIET, from: ROMEO } = presenceOf(
  `<presence xmlns='jabber:server' from='romeo@montague.example' to='juliet@capulet.example'/>`,
)
const notify = newSipRequest({
  method: 'NOTIFY',
  uri: 'sip:juliet@192.0.2.2',
  from: addr('<sip:romeo@montague.example>', 'a'),
  to: addr('<sip:juliet@capulet.example>', 'b'),
  callId: 'c',
  cseq: 1,
  headers: [],
})
const ROUTE = 'sip:127.0.0.1:5060;transport=udp'
const BACKUP = 'sip:127.0.0.2:5060;transport=udp'

async function sent(domain: string, nextHop: string | undefined) {
  const sends: { readonly towards: string; readonly options: SendOptions | undefined }[] = []
  const index = indexFor('federated', {
    localDomains: [localDomainSchema.parse({ domain, route: ROUTE, backupRoutes: [BACKUP] })],
  })
  const reply = await sendInWatch(
    {
      ids: countingIds(),
      log: silentLog,
      metrics,
      index: () => index,
      gruu: 'raw',
      sip: {
        send: (request, towards, options) => {
          sends.push({ towards, options })
          return Promise.resolve(respondTo(request, 200))
        },
      },
      sipAddress: () => undefined,
      link: new FakeLink(),
      withCaps: (presence) => presence,
    },
    newEntry('sip-watches-xmpp', JULIET, ROMEO),
    notify,
    nextHop,
  )
  return { reply, sends }
}

test('a request of its own goes by the route of the domain, which has a stand-in', async () =>
  expect((await sent('capulet.example', undefined)).sends).toEqual([
    { towards: ROUTE, options: expect.objectContaining({ domain: 'capulet.example', backups: [BACKUP] }) },
  ]))

test('within a dialog the next hop is the dialog’s, and has none', async () => {
  const { sends } = await sent('capulet.example', 'sip:192.0.2.9')
  expect(sends).toEqual([{ towards: 'sip:192.0.2.9', options: expect.objectContaining({ domain: 'capulet.example' }) }])
  expect(sends[0]?.options).not.toHaveProperty('backups')
})

test('no route: nothing is sent, and it is said why', async () =>
  expect(await sent('elsewhere.example', undefined)).toEqual({
    reply: { kind: 'failed', cause: 'no-target', detail: 'no route to capulet.example' },
    sends: [],
  }))
