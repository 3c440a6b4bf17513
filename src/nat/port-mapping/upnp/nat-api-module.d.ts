/** The part of `@silentbot1/nat-api` that we use; it brings no types of its own. */
declare module "@silentbot1/nat-api/lib/upnp/device.js" {
  interface Service {
    readonly service: string;
    readonly SCPDURL: string;
    readonly controlURL: string;
  }

  /** One Internet Gateway Device, by the URL of its description: SOAP calls to its WAN connection. */
  class Device {
    readonly services: readonly string[];
    constructor(options: { readonly url: string });
    /** The answer's `Body`, as xml2js has it. Arguments that are not texts are lost. */
    run(action: string, args: readonly (readonly [name: string, value: string])[]): Promise<unknown>;
    /** Reads the description anew. */
    _getService(types: readonly string[]): Promise<Service>;
  }

  // biome-ignore lint/style/noDefaultExport: that is what the package has
  export { Device as default };
}
