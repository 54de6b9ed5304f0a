using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dvis.Streaming.Pipeline.Tests.Support;

/// <summary>An authority made for one test, and certificates it signed, as PEM files.</summary>
internal static class TestCertificates
{
    /// <summary>Writes <c>ca.pem</c>, <c>{name}.pem</c> and <c>{name}.key</c> for each name; the host of all is <paramref name="host"/>.</summary>
    public static void Write(string folder, string host, params string[] names) => Write(folder, host, new(2045, 1, 1, 0, 0, 0, TimeSpan.Zero), names);

    /// <param name="expires">End of the certificates, not of the authority.</param>
    public static void Write(string folder, string host, DateTimeOffset expires, params string[] names)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=dvis test authority", authorityKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var (from, until) = (new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2045, 1, 1, 0, 0, 0, TimeSpan.Zero));
        using var authority = request.CreateSelfSigned(from, until);
        File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.ExportCertificatePem());
        foreach (var name in names)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var leaf = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            var hosts = new SubjectAlternativeNameBuilder();
            hosts.AddDnsName(host);
            leaf.CertificateExtensions.Add(hosts.Build());
            using var certificate = leaf.Create(authority, from, expires, RandomNumberGenerator.GetBytes(8));
            File.WriteAllText(Path.Combine(folder, $"{name}.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(Path.Combine(folder, $"{name}.key"), key.ExportPkcs8PrivateKeyPem());
        }
    }
}
