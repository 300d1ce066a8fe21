/** The floors of the house: a package imports floors below its own, and not its neighbours. */
const floors = [
  ['kernel'],
  ['xml'],
  ['xmpp', 'sip', 'federation'],
  ['xmpp-engine', 'sip-engine', 'link', 'translate'],
  ['transport', 'store', 'telemetry', 'admin-api'],
  ['service'],
  ['edge-proxy', 'gateway'],
  ['cli'],
]
const allowedNeighbours = { 'admin-api': ['store'], 'xmpp-engine': [], translate: [] }
const src = (names) => `^packages/(${names.join('|')})/`

const floorRules = floors.flatMap((floor, level) =>
  floor.map((name) => {
    const below = floors.slice(0, level).flat()
    const may = [...below, name, ...(allowedNeighbours[name] ?? [])]
    return {
      name: `floor-of-${name}`,
      comment: `${name} may import ${may.join(', ')}`,
      severity: 'error',
      from: { path: `^packages/${name}/src/` },
      to: { path: '^packages/', pathNot: src(may) },
    }
  }),
)

module.exports = {
  forbidden: [
    ...floorRules,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'pure-floors-touch-no-host',
      comment: 'Floors 0 to 2 decide; they have no sockets, disks, clocks or crypto.',
      severity: 'error',
      from: { path: src(floors.slice(0, 4).flat()) + 'src/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'only-xml-knows-ltx',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/(xml|testkit)/' },
      to: { path: 'node_modules/.*ltx' },
    },
    { name: 'product-without-testkit', severity: 'error', from: { path: '^packages/(?!testkit)[^/]+/src/' }, to: { path: '^(packages/testkit|e2e)/' } },
    { name: 'by-the-front-door', comment: 'Another package is imported by its name, never by a path into it.', severity: 'error', from: { path: '^packages/([^/]+)/' }, to: { path: '^packages/[^/]+/(src/(?!(index|main|payloads/xhtml-im)\\.ts$)|test/)', pathNot: '^packages/$1/' } },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|gen)/' },
    parser: 'swc',
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['stox-source', 'import', 'node', 'default'], extensions: ['.ts', '.js', '.mjs'] },
    combinedDependencies: true,
  },
}
