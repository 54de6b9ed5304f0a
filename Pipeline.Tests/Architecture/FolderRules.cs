using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Dvis.Streaming.Pipeline.Tests.Architecture;

/// <summary>
/// Rule of the order of folders: a folder refers to itself and to folders before it in the list. References are names
/// of types and of their members, as the compiler resolves them; documentation comments do not count.
/// </summary>
internal static class FolderRules
{
    // What a project file with ImplicitUsings brings into every file.
    private const string GlobalUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly CSharpParseOptions s_parsing = new(documentationMode: DocumentationMode.None);

    /// <summary>A line per reference that the order forbids, and per folder that it does not list; sorted.</summary>
    /// <param name="files">Relative path, with slashes, and text of each source file.</param>
    /// <param name="order">Folders of the files, the one that refers to no other first.</param>
    public static IReadOnlyList<string> Violations(
        IEnumerable<(string Path, string Text)> files, IReadOnlyList<string> order)
    {
        var trees = files.Select(f => CSharpSyntaxTree.ParseText(f.Text, s_parsing, f.Path)).ToList();
        var compilation = CSharpCompilation.Create(
            "Solution", [.. trees, CSharpSyntaxTree.ParseText(GlobalUsings, s_parsing)], Platform(),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        var ranks = order.Index().ToDictionary(f => f.Item, f => f.Index);
        var violations = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var tree in trees)
        {
            var from = FolderOf(tree.FilePath);
            if (!ranks.TryGetValue(from, out var rank))
            {
                violations.Add($"{tree.FilePath}: the order does not list the folder {from}");
                continue;
            }

            foreach (var (name, to) in References(tree, compilation.GetSemanticModel(tree)))
            {
                if (ranks.GetValueOrDefault(to) <= rank) continue;
                var line = name.GetLocation().GetLineSpan().StartLinePosition.Line + 1;
                violations.Add($"{tree.FilePath}:{line}: {from} refers to {to} ({name.Identifier.Text})");
            }
        }

        return [.. violations];
    }

    /// <summary>Names in a file, each with the folder of the type that it names or that declares the member.</summary>
    private static IEnumerable<(SimpleNameSyntax Name, string Folder)> References(SyntaxTree tree, SemanticModel model)
    {
        var nodes = tree.GetRoot().DescendantNodes(node => node is not UsingDirectiveSyntax);
        foreach (var name in nodes.OfType<SimpleNameSyntax>())
        {
            var info = model.GetSymbolInfo(name);
            var symbol = info.Symbol ?? info.CandidateSymbols.FirstOrDefault();
            var type = symbol as INamedTypeSymbol ?? symbol?.ContainingType;
            foreach (var declaration in type?.DeclaringSyntaxReferences ?? [])
                yield return (name, FolderOf(declaration.SyntaxTree.FilePath));
        }
    }

    private static string FolderOf(string path) => path[..path.LastIndexOf('/')];

    /// <summary>Assemblies of this process but for the solution's own, which are here as sources.</summary>
    private static IEnumerable<MetadataReference> Platform()
        => ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator)
            .Where(path => !Path.GetFileName(path).StartsWith("Dvis.", StringComparison.Ordinal)
                && Path.GetFileName(path) != "dvis.dll")
            .Select(path => MetadataReference.CreateFromFile(path));
}
