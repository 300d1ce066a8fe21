import { X509Certificate } from 'node:crypto'
import { VirtualTime } from '@stox/kernel'
import { makeAuthority, makeCertificate } from '@stox/testkit'
import { TrustStore, certificateJudge } from '@stox/transport'
import type { DomainName } from '@stox/xmpp'

const MONTAGUE = 'montague.example' as DomainName
const OTHER = 'capulet.example' as DomainName

async function judged() {
  const ca = await makeAuthority('CA')
  const { cert } = await makeCertificate({ names: [MONTAGUE], issuer: ca })
  const chain = [new X509Certificate(cert).raw]
  const store = await TrustStore.open({ kind: 'pem', pem: ca.cert })
  const stranger = await TrustStore.open({ kind: 'pem', pem: (await makeAuthority('another CA')).cert })
  if (!store.ok || !stranger.ok) throw new Error('no store')
  const trust = { anchors: store.value.anchors }
  const time = new VirtualTime(Date.now())
  return { chain, trust, time, others: stranger.value.anchors, judge: certificateJudge(trust, time) }
}

test('asked again, the verdict is the same and costs nothing', async () => {
  const { chain, judge } = await judged()
  const first = judge(chain, MONTAGUE)
  expect(first).toMatchObject({ ok: true })
  expect(judge(chain, MONTAGUE)).toBe(first)
  expect(judge(chain, OTHER)).toMatchObject({ ok: false })
})

test('other authorities, another verdict', async () => {
  const { chain, judge, trust, others } = await judged()
  expect(judge(chain, MONTAGUE)).toMatchObject({ ok: true })
  trust.anchors = others
  expect(judge(chain, MONTAGUE)).toMatchObject({ ok: false })
})

test('an end is seen when it comes', async () => {
  const { chain, judge, time } = await judged()
  const verdict = judge(chain, MONTAGUE)
  if (!verdict.ok || verdict.untilMs === undefined) throw new Error('no end')
  time.advance(verdict.untilMs - time.wallMs())
  expect(judge(chain, MONTAGUE)).toMatchObject({ ok: true })
  time.advance(1001)
  expect(judge(chain, MONTAGUE)).toMatchObject({ ok: false })
})
