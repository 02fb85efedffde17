// A client of other people's: node-opcua. It is told by lines of JSON what to do, and says what came of it.
//   node scada.cjs URL CERTIFICATE KEY URI FOLDER
for (const name of ["log", "info", "warn", "error"]) console[name] = () => undefined; // it talks on stdout
const opcua = require("node-opcua-client");
const { AttributeIds, DataType, MessageSecurityMode, SecurityPolicy, TimestampsToReturn, UserTokenType, VariantArrayType } = opcua;
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const readline = require("node:readline");

const [url, certificateFile, privateKeyFile, applicationUri, folder] = process.argv.slice(2);
const say = (told) => process.stdout.write(JSON.stringify(told, (_, value) => (typeof value === "bigint" ? String(value) : value)) + "\n");
const JOB_CONTROL = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/";
const OURS = "http://eryxon.dev/UA/gateway/";
let client, session, subscription, ours, jobControl;

// `patient`: comes back by itself when the line is lost.
async function application(secure, patient) {
  const clientCertificateManager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true });
  await clientCertificateManager.initialize();
  return opcua.OPCUAClient.create({
    applicationName: "scada", applicationUri, certificateFile, privateKeyFile, clientCertificateManager,
    securityMode: secure ? MessageSecurityMode.SignAndEncrypt : MessageSecurityMode.None,
    securityPolicy: secure ? SecurityPolicy.Basic256Sha256 : SecurityPolicy.None,
    endpointMustExist: false, keepSessionAlive: Boolean(patient), transportTimeout: 60000,
    connectionStrategy: { maxRetry: patient ? -1 : 0, initialDelay: 100, maxDelay: 200 },
  });
}

const failure = (error) => String(error.message || error).split("\n")[0];

const verbs = {
  async open({ user, password, certificate, key, patient }) {
    client = await application(true, patient);
    for (const name of ["connection_lost", "connection_reestablished"]) client.on(name, () => say({ line: name }));
    await client.connect(url);
    const person = user ? { type: UserTokenType.UserName, userName: user, password }
      : certificate ? { type: UserTokenType.Certificate, certificateData: Buffer.from(certificate, "base64"), privateKey: key } : undefined;
    session = await client.createSession(person);
    const namespaces = await session.readNamespaceArray();
    ours = namespaces.indexOf(OURS);
    jobControl = namespaces.indexOf(JOB_CONTROL);
    return { namespaces };
  },
  async insecure() {
    const plain = await application(false);
    await plain.connect(url);
    try { await (await plain.createSession()).close(); } finally { await plain.disconnect(); }
  },
  async browse({ path }) {
    const found = await session.browse(`ns=${ours};s=${path}`);
    return { names: found.references.map((one) => one.browseName.name) };
  },
  async read({ path }) {
    const value = await session.read({ nodeId: `ns=${ours};s=${path}`, attributeId: AttributeIds.Value });
    return { status: value.statusCode.name, value: value.value.value, type: DataType[value.value.dataType] };
  },
  async structures({ path }) {
    const value = await session.read({ nodeId: `ns=${ours};s=${path}`, attributeId: AttributeIds.Value });
    await session.extractNamespaceDataType?.();
    const plain = (one) => (one && one.toJSON ? one.toJSON() : one);
    return { names: value.value.value.map((one) => one.schema && one.schema.name), values: value.value.value.map(plain) };
  },
  async definition({ number }) {
    const value = await session.read({ nodeId: `ns=${jobControl};i=${number}`, attributeId: AttributeIds.DataTypeDefinition });
    return { status: value.statusCode.name, fields: value.value.value.fields.map((one) => one.name) };
  },
  async call({ object, method, type, inputs }) {
    const result = await session.call({
      objectId: `ns=${ours};s=${object}`,
      methodId: type ? `ns=${jobControl};i=${type}` : `ns=${ours};s=${object}/${method}`,
      inputArguments: inputs.map(([kind, value]) => (Array.isArray(value)
        ? { dataType: DataType[kind], arrayType: VariantArrayType.Array, value }
        : { dataType: DataType[kind], value })),
    });
    return {
      status: result.statusCode.name,
      arguments: (result.inputArgumentResults || []).map((one) => one.name),
      outputs: (result.outputArguments || []).map((one) => (Array.isArray(one.value) && DataType[one.dataType] === "UInt64" ? one.value[0] * 2 ** 32 + one.value[1] : one.value)),
    };
  },
  async write({ path }) {
    const status = await session.write({
      nodeId: `ns=${ours};s=${path}`, attributeId: AttributeIds.Value, value: { value: { dataType: DataType.String, value: "mine" } },
    });
    return { status: status.name };
  },
  async subscribe({ path }) {
    subscription ??= await session.createSubscription2({ requestedPublishingInterval: 50, requestedLifetimeCount: 600, requestedMaxKeepAliveCount: 20, publishingEnabled: true });
    const item = await subscription.monitor({ nodeId: `ns=${ours};s=${path}`, attributeId: AttributeIds.Value }, { samplingInterval: 0, queueSize: 10 }, TimestampsToReturn.Both);
    item.on("changed", (value) => say({ changed: value.value.value }));
  },
  async events({ path, kind }) {
    subscription ??= await session.createSubscription2({ requestedPublishingInterval: 50, requestedLifetimeCount: 600, requestedMaxKeepAliveCount: 20, publishingEnabled: true });
    const fields = ["EventId", "SourceName", "Severity", "Message", `${jobControl}:JobOrder`, `${jobControl}:JobState`, `${jobControl}:JobResponse`];
    const type = kind ? `ns=${jobControl};i=${kind}` : "ns=0;i=2041";
    const filter = opcua.constructEventFilter(fields, opcua.ofType(type));
    const item = await subscription.monitor({ nodeId: path ? `ns=${ours};s=${path}` : "ns=0;i=2253", attributeId: AttributeIds.EventNotifier }, { filter, queueSize: 100, discardOldest: true, samplingInterval: 0 }, TimestampsToReturn.Both);
    item.on("changed", (values) => {
      const [id, source, severity, message, order, state, response] = values.map((one) => one.value);
      say({ event: path || "server", kind: kind || 0, id: id && id.toString("hex"), source, severity, message: message && message.text, order: order && order.jobOrderID, states: state && state.map((one) => one.stateText.text), response: response && response.jobOrderID });
    });
  },
  async close() {
    if (session) await session.close(true);
    if (client) await client.disconnect();
    session = client = subscription = undefined;
  },
};

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { does, ...given } = JSON.parse(line);
    try {
      say({ did: does, ...(await verbs[does](given)) });
    } catch (error) {
      say({ did: does, error: failure(error) });
    }
  }
  await verbs.close().catch(() => undefined);
  process.exit(0);
})();
