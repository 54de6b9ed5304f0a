using Dvis.Streaming.Evaluation.Metrics;
using Dvis.Streaming.Pipeline.Inference;

namespace Dvis.Streaming.Evaluation.Running;

/// <summary>From the model's classes to the data set's categories.</summary>
public static class ClassMap
{
    /// <summary>
    /// By name where the two share any: then a class that the data set lacks maps to null, and what the model says of
    /// it is left out. Else in order, as official models are trained: things by ascending id, then stuff by ascending
    /// id.
    /// </summary>
    /// <returns>Index = column of the logits.</returns>
    /// <exception cref="EvaluationException">They share no name, and there are not as many of each.</exception>
    public static int?[] Create(IReadOnlyList<ClassLabel> classes, IReadOnlyList<Category> categories, string path)
    {
        var byName = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var category in categories) byName.TryAdd(category.Name, category.Id);
        int?[] map = [.. classes.Select(c => byName.TryGetValue(c.Name, out var id) ? id : (int?)null)];
        if (map.Any(id => id is not null)) return map;

        var things = categories.Where(c => c.IsThing).Select(c => c.Id).Order().ToArray();
        var stuff = categories.Where(c => !c.IsThing).Select(c => c.Id).Order().ToArray();
        var countable = classes.Where(c => c.Kind == "thing").Select(c => c.Id).ToArray();
        var others = classes.Where(c => c.Kind != "thing").Select(c => c.Id).ToArray();
        if (things.Length != countable.Length || stuff.Length != others.Length)
        {
            throw new EvaluationException(
                $"{path}: the data set has {Kinds(things.Length, stuff.Length)}, the model "
                + $"{Kinds(countable.Length, others.Length)}, and no name is in both, such as "
                    + $"{categories[0].Name} and {classes[0].Name}.");
        }

        for (var i = 0; i < things.Length; i++) map[countable[i]] = things[i];
        for (var i = 0; i < stuff.Length; i++) map[others[i]] = stuff[i];
        return map;
    }

    private static string Kinds(int things, int stuff) =>
        stuff == 0 ? $"{things} categories" : $"{things} categories of things and {stuff} of stuff";
}
