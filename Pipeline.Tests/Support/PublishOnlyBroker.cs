using System.Security.Cryptography;
using System.Text.Json;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>
/// Settings of mosquitto's dynamic security: everybody may publish, and one user may subscribe. Its access lists know
/// no SUBSCRIBE.
/// </summary>
internal static class PublishOnlyBroker
{
    private static readonly string[] s_folders =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"];

    /// <summary>Skips the test visibly where the broker has no such plugin.</summary>
    /// <param name="folder">For the file of users.</param>
    public static string[] Settings(string folder, string reader, string password)
    {
        var plugin = s_folders.Select(f => Path.Combine(f, "mosquitto_dynamic_security.so"))
            .FirstOrDefault(File.Exists);
        Assert.SkipUnless(plugin is not null, "mosquitto has no dynamic security here.");
        var salt = RandomNumberGenerator.GetBytes(12);
        const int iterations = 101;
        var hash = Rfc2898DeriveBytes.Pbkdf2(password, salt, iterations, HashAlgorithmName.SHA512, 64);
        var file = Path.Combine(folder, "dynamic-security.json");
        File.WriteAllText(file, JsonSerializer.Serialize(new
        {
            defaultACLAccess = new
            {
                publishClientSend = true,
                publishClientReceive = true,
                subscribe = false,
                unsubscribe = true,
            },
            clients = new[]
            {
                new
                {
                    username = reader,
                    password = hash,
                    salt,
                    iterations,
                    roles = new[] { new { rolename = "all" } },
                },
            },
            groups = new[] { new { groupname = "everybody", roles = Array.Empty<string>() } },
            anonymousGroup = "everybody",
            roles = new[]
            {
                new
                {
                    rolename = "all",
                    acls = new[] { new { acltype = "subscribePattern", topic = "#", allow = true } },
                },
            },
        }));
        return ["allow_anonymous true", $"plugin {plugin}", $"plugin_opt_config_file {file}"];
    }
}
