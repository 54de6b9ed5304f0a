using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Dvis.Streaming.Pipeline.Inference;

/// <summary>A model on disk: <c>manifest.json</c> and its files.</summary>
public sealed class ModelFolder
{
    private ModelFolder(string path, ModelManifest manifest) => (Path, Manifest) = (path, manifest);

    public string Path { get; }

    public ModelManifest Manifest { get; }

    /// <exception cref="ModelException">No such folder, or a wrong manifest, with all problems.</exception>
    public static ModelFolder Open(string path)
    {
        if (!Directory.Exists(path)) throw new ModelException($"{path}: there is no such model folder.");
        return new ModelFolder(path, ManifestReader.Read(System.IO.Path.Combine(path, "manifest.json")));
    }

    /// <summary>Query of the first clip, shape [Q,C]; empty: the method has none.</summary>
    /// <exception cref="ModelException">Missing, of another size, or with values that are not finite.</exception>
    public float[] ReadFirstQuery()
    {
        if (Manifest.FirstQuery is not { } name) return [];
        var path = System.IO.Path.Combine(Path, name);
        var query = new float[Manifest.Queries * Manifest.HiddenSize];
        var bytes = MemoryMarshal.AsBytes(query.AsSpan());
        try
        {
            using var file = System.IO.File.OpenRead(path);
            if (file.Length != bytes.Length)
                throw new ModelException(
                    $"{path}: first_query has {file.Length} bytes, expected {bytes.Length}: "
                    + $"[{Manifest.Queries},{Manifest.HiddenSize}] float32.");
            file.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"{path}: the model's first_query cannot be read: {e.Message}", e);
        }

        return Array.TrueForAll(query, float.IsFinite)
            ? query
            : throw new ModelException($"{path}: first_query has values that are not finite.");
    }

    /// <summary>Path of a graph's file in this precision; its content is checked against the manifest.</summary>
    /// <exception cref="ModelException">No such precision, or the file is missing or another one.</exception>
    public string File(string graph, string precision)
    {
        var files = Manifest.Files[graph];
        if (!files.TryGetValue(precision, out var file))
            throw new ModelException(
                $"{Path}: the model has no {precision} file of {graph}, only "
                + $"{(files.Count == 0 ? "none" : string.Join(", ", files.Keys))}; correct model.precision.");
        var path = System.IO.Path.Combine(Path, file.Path);
        try
        {
            // Devices and pipes have no length, and no end.
            if ((System.IO.File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path))
                is FileInfo { Exists: true, Length: 0 })
                throw new ModelException($"{path}: the model's file is empty, or no file.");
            using var stream = System.IO.File.OpenRead(path);
            var found = Convert.ToHexStringLower(SHA256.HashData(stream));
            return found == file.Sha256
                ? path
                : throw new ModelException(
                    $"{path}: the file is damaged or another one: its sha256 is {found}, the manifest has "
                    + $"{file.Sha256}.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ModelException($"{path}: the model's file cannot be read: {e.Message}", e);
        }
    }
}
