import { Baresip } from '../src/baresip.ts'
import { until } from '../src/heard.ts'
import { play } from '../src/play.ts'
import { PORTS, SIP } from '../src/stage.ts'

const BENVOLIO = `benvolio@${SIP}`

play('sip-client', { xmpp: ['juliet'], sip: {} }, (act) => {
  act('baresip: a message each way, and presence each way', async ({ stage, kamailio, pair, xmpp: { juliet } }) => {
    const baresip = new Baresip({
      user: 'benvolio',
      domain: SIP,
      address: stage.at.users,
      port: PORTS.user,
      controlPort: PORTS.user + 20,
      proxy: { host: kamailio.options.address, port: kamailio.options.port },
      contacts: [juliet.bare],
      dir: stage.dir,
    })
    stage.onEnd(() => baresip.stop())
    await baresip.start()
    await until('its registration', () => baresip.said.includes('200 OK') || /registered/i.test(baresip.said), 20_000)

    // It asks for her presence as soon as it runs; she lets it.
    await juliet.hearsPresence(BENVOLIO, { type: 'subscribe' })
    juliet.approve(BENVOLIO)
    await until(
      'baresip seeing her',
      () => {
        baresip.command('contacts')
        return /Online/.test(baresip.said)
      },
      20_000,
    )

    juliet.subscribe(BENVOLIO)
    await juliet.hearsPresence(BENVOLIO, { type: 'subscribed' })
    await juliet.hearsPresence(BENVOLIO, { type: '' })

    baresip.command('message', 'from a real client')
    await juliet.hearsMessage('from a real client')
    const id = juliet.message(BENVOLIO, 'to a real client')
    // Version 1.0 shows a message nowhere; what it answered stands in the journal.
    await until('its answer', async () => {
      const { json } = await pair.rest('GET', `/v1/messages?address=${encodeURIComponent(BENVOLIO)}`)
      return (
        json as { readonly items: readonly { readonly outcome: string; readonly stanzaId: string | null }[] }
      ).items.some((row) => row.stanzaId === id && row.outcome === 'delivered')
    })
  })
})
