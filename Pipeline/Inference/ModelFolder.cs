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
