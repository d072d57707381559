// bitbank's own node-bitbankcc as a program: `node node_bitbankcc_client.js URL KEY SECRET`, one call a line.
'use strict';

const readline = require('readline');
const { PrivateApi, PublicApi } = require('node-bitbankcc');

const [url, apiKey, apiSecret] = process.argv.slice(2);
const apis = {
  public: new PublicApi({ endPoint: url }),
  private: new PrivateApi({ endPoint: `${url}/v1`, apiKey, apiSecret }),
};

const methods = (type) => Object.getOwnPropertyNames(type.prototype).filter((name) => name !== 'constructor');

async function answer([method, args]) {
  if (method === 'methods') {
    return { result: { public: methods(PublicApi), private: methods(PrivateApi) } };
  }
  const [api, name] = method.split('.');
  try {
    return { result: await apis[api][name](...args) };
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`);
  }
}

main();
